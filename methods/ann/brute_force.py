"""BruteForce: an exact class of the shape that ann-benchmarks asks for; an example."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.lists import FloatArray, IntArray


class BruteForce:
    """Compare a query with every vector.

    The methods that `methods.ann.ann_class` calls, in ann-benchmarks' words: ``fit``, ``query``,
    ``batch_query`` with ``get_batch_results``, ``set_query_arguments`` and ``get_memory_usage``.

    Parameters
    ----------
    metric : ``angular``, ``euclidean`` or ``ip``.
    """

    def __init__(self, metric: str) -> None:
        """Take the distance."""
        if metric not in ("angular", "euclidean", "ip"):
            raise ValueError(f"metric {metric!r}; expected angular, euclidean or ip")
        self._metric = metric
        self._results: list[IntArray] = []

    def fit(self, vectors: FloatArray) -> None:
        """Keep the vectors, float32 (n, dim), of length one where the distance is angular."""
        self._vectors = _of_length_one(vectors) if self._metric == "angular" else vectors
        self._squares = np.einsum("ij,ij->i", self._vectors, self._vectors)

    def query(self, vector: FloatArray, n: int) -> IntArray:
        """Return the n nearest, int64 (n,), nearest first; of equal ones the lower number."""
        nearness = self._vectors @ vector
        if self._metric == "euclidean":
            nearness = nearness - self._squares / 2
        return np.argsort(-nearness, kind="stable")[:n]

    def batch_query(self, vectors: FloatArray, n: int) -> None:
        """Query one after another, for `get_batch_results`."""
        self._results = [self.query(one, n) for one in vectors]

    def get_batch_results(self) -> Sequence[IntArray]:
        """Return what the last batch found, a row for each query."""
        return self._results

    def set_query_arguments(self, *arguments: Any) -> None:
        """Take the arguments of a query; there are none.

        Raises
        ------
        ValueError
            Arguments were given.
        """
        if arguments:
            raise ValueError(f"query arguments {arguments}; brute force has none")

    def get_memory_usage(self) -> float:
        """Return kilobytes."""
        return float(self._vectors.nbytes + self._squares.nbytes) / 1024


def _of_length_one(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-30)))

"""FaissIndex: what every index of faiss shares; and how faiss is loaded."""

import importlib
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.lists import FloatArray
from harness.stages import Mark, no_mark
from harness.topk import TopK
from methods.ann.vector_index import VectorIndex, order_ties
from methods.ann.visible import write_pad_scores

KIND, ARRAY = "faiss", "index"


def load_faiss() -> Any:
    """Return the faiss module, or say which extra brings it."""
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise MethodError(
            "faiss is not installed: install the extra `cpu` (faiss-cpu) or, for a machine with "
            "an NVIDIA GPU, `gpu` (faiss-gpu); not both"
        ) from error


class FaissIndex(VectorIndex):
    """An index of faiss: it searches with the threads that the harness gave OpenMP."""

    _index: Any

    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best by inner product, as far as the index finds them."""
        before = self._distances_of_faiss()
        scores, ids = self._index.search(np.ascontiguousarray(queries), k)
        self.distances += self._distances_of_search(len(queries), before)
        mark("scoring")
        found = order_ties(ids, scores)
        write_pad_scores(found.ids, found.scores)  # faiss fills up with the lowest float
        mark("top_k")
        return found

    def _distances_of_faiss(self) -> int:
        """Return what faiss has counted in this process; 0 where it counts nothing."""
        return 0

    @abstractmethod
    def _distances_of_search(self, n_queries: int, before: int) -> int:
        """Return the inner products of a search, ``before`` being faiss's count before it."""

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._index.ntotal)

    @property
    def vector_bytes(self) -> int:
        """Return the bytes of the vectors alone."""
        return self.n_items * int(self._index.d) * 4

    def save(self, folder: Path) -> None:
        """Write the index as faiss serialises it, with a checksum, which faiss's files lack."""
        save_arrays(folder, KIND, {ARRAY: load_faiss().serialize_index(self._on_host())})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote.

        Raises
        ------
        MethodError
            The file is damaged, or of another faiss that this one cannot read; names it.
        """
        arrays, _ = load_arrays(folder, KIND)
        try:
            self._index = load_faiss().deserialize_index(arrays[ARRAY])
        except RuntimeError as error:
            raise MethodError(f"{folder / ARRAY}.npy: faiss cannot read it: {error}") from error

    def _on_host(self) -> Any:
        """Return the index of faiss on the host."""
        return self._index


def flat_vectors(index: Any) -> FloatArray:
    """Return the vectors of a flat index of faiss, float32 (n_items, dim), not copied.

    They live as long as the index does.
    """
    held: FloatArray = load_faiss().rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return held.reshape(index.ntotal, index.d)

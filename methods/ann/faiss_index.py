"""FaissIndex: what every index of faiss shares; and how faiss is loaded."""

import importlib
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import MethodError
from harness.lists import FloatArray
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.vector_index import VectorIndex, order_ties

FILE = "index.faiss"


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

    def search(self, queries: FloatArray, k: int) -> TopK:
        """Return the k best by inner product, as far as the index finds them."""
        before = self._distances_of_faiss()
        scores, ids = self._index.search(np.ascontiguousarray(queries), k)
        self.distances += self._distances_of_search(len(queries), before)
        found = order_ties(ids, scores)
        if found.ids.size and found.ids.min() == PAD_ID:  # faiss fills up with the lowest float
            found.scores[found.ids == PAD_ID] = PAD_SCORE
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
        """Write the index as faiss does."""
        load_faiss().write_index(self._index, str(folder / FILE))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote.

        Raises
        ------
        MethodError
            faiss cannot read the file; names it.
        """
        path = folder / FILE
        try:
            self._index = load_faiss().read_index(str(path))
        except RuntimeError as error:
            raise MethodError(f"{path}: faiss cannot read it: {error}") from error

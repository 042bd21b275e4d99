"""Flat: every item is scored, by faiss, whole or as bytes; and which exact index a device has."""

import numpy as np

from harness.lists import FloatArray, IntArray
from methods.ann.device import MOST_K, is_gpu, to_device
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss
from methods.ann.torch_flat import TorchFlat
from methods.ann.vector_index import VectorIndex, order_ties


class FaissFlat(FaissIndex):
    """Every inner product (``IndexFlatIP``), by faiss on the CPU or a GPU; they are computed."""

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors into a faiss index."""
        index = load_faiss().IndexFlatIP(vectors.shape[1])
        self._index = to_device(index, self._device)
        super().add(vectors)

    def _found(self, queries: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
        """Return the k best of each query, of equal ones those of the smallest ids.

        faiss takes any of those that tie at the k-th place, so one more is asked for, and where
        that one ties, more, until one does not: a query that scores all items alike costs a sort of
        the catalogue.
        """
        most = min(self.n_items, MOST_K) if is_gpu(self._device) else self.n_items
        scores, ids = self._index.search(queries, max(k, min(k + 1, most)))
        rows = np.flatnonzero(scores[:, k - 1] == scores[:, -1]) if k < most else np.zeros(0, int)
        fetched, scores, ids = k + 1, scores[:, :k].copy(), ids[:, :k].copy()
        while rows.size:
            fetched = min(2 * fetched, most)
            found = order_ties(*reversed(self._index.search(queries[rows], fetched)))
            scores[rows], ids[rows] = found.scores[:, :k], found.ids[:, :k]
            if fetched == most:
                break
            rows = rows[found.scores[:, k - 1] == found.scores[:, -1]]
        return scores, ids

    def _distances_of_search(self, n_queries: int, k: int, before: int) -> int:
        return n_queries * self.n_items

    @property
    def _base_bytes(self) -> int:
        return self.vector_bytes

    def vectors(self) -> FloatArray:
        """Return the vectors, float32 (n_items, dim); on the CPU not copied."""
        if is_gpu(self._device):
            return super().vectors()
        return flat_vectors(self._index)


class FaissSQ8(FaissIndex):
    """Every item, each dimension a byte between its least and largest value, by faiss on the CPU.

    faiss's ``IndexScalarQuantizer`` of 8 bits. ``distances`` is computed: every item of every
    query, and the exact products where it is refined.
    """

    _in_base = False

    def train(self, vectors: FloatArray) -> None:
        """Find the least and the largest value of each dimension."""
        faiss = load_faiss()
        codes = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexScalarQuantizer(vectors.shape[1], codes, faiss.METRIC_INNER_PRODUCT)
        self._index = self._with_vectors(index)
        self._index.train(np.ascontiguousarray(vectors))

    def _distances_of_search(self, n_queries: int, k: int, before: int) -> int:
        return n_queries * self.n_items

    @property
    def _base_bytes(self) -> int:
        """Return a byte for each value, and the bounds of each dimension."""
        return self.n_items * self._dim + 2 * self._dim * 4


def exact_index(device: str) -> VectorIndex:
    """Return the exact index for a device: faiss's on the CPU, torch's elsewhere."""
    return FaissFlat() if device == "cpu" else TorchFlat(device)

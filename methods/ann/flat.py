"""Flat: exact search by faiss on the CPU; and which exact index a device has."""

import numpy as np

from harness.lists import FloatArray
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss
from methods.ann.torch_flat import TorchFlat
from methods.ann.vector_index import VectorIndex


class FaissFlat(FaissIndex):
    """Every inner product, computed by faiss on the CPU."""

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors into a faiss index."""
        self._index = load_faiss().IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors))

    def _distances_of_search(self, n_queries: int, before: int) -> int:
        return n_queries * self.n_items

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return self.vector_bytes

    def vectors(self) -> FloatArray:
        """Return the vectors as the index holds them, float32 (n_items, dim), not copied."""
        return flat_vectors(self._index)


def exact_index(device: str) -> VectorIndex:
    """Return the exact index for a device."""
    return FaissFlat() if device == "cpu" else TorchFlat(device)

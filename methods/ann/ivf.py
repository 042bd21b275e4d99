"""IVF: vectors in cells of a k-means, a query looks into the nearest few."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import MethodError
from harness.lists import FloatArray
from methods.ann.device import to_device, to_host
from methods.ann.faiss_index import FaissIndex, load_faiss


def default_nlist(n_items: int) -> int:
    """Return 4 * sqrt(n_items), rounded, and at most n_items: the usual number of cells."""
    return max(1, min(n_items, round(4 * math.sqrt(n_items))))


class FaissIVF(FaissIndex):
    """Inverted lists of faiss over whole vectors (``IndexIVFFlat``), on the CPU or a GPU.

    Attributes
    ----------
    nprobe : cells that a search looks into; more than there are means all.
    """

    def __init__(
        self, nlist: int, train_per_list: int, *, device: str = "cpu", seed: int = 0
    ) -> None:
        """Take the number of cells (0: `default_nlist`) and the training vectors for each."""
        self._nlist, self._train_per_list = nlist, train_per_list
        self._device, self._seed = device, seed
        self.nprobe = 1

    def train(self, vectors: FloatArray) -> None:
        """Find the cells by k-means over a sample of the vectors.

        Raises
        ------
        MethodError
            More cells than vectors.
        """
        n_items, dim = vectors.shape
        nlist = self._nlist or default_nlist(n_items)
        if nlist > n_items:
            raise MethodError(f"nlist = {nlist} exceeds the catalogue of {n_items} items")
        faiss = load_faiss()
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, nlist, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = self._seed % (1 << 31)
        index.cp.max_points_per_centroid = self._train_per_list
        index.cp.min_points_per_centroid = 1  # else faiss complains on standard error
        self._index = to_device(index, self._device)
        self._index.train(np.ascontiguousarray(vectors))

    def add(self, vectors: FloatArray) -> None:
        """Put every vector into its cell."""
        self._index.add(np.ascontiguousarray(vectors))

    @property
    def nprobe(self) -> int:
        """Return the cells that a search looks into."""
        return self._nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        self._nprobe = value
        if hasattr(self, "_index"):
            self._index.nprobe = min(value, self.nlist)

    @property
    def nlist(self) -> int:
        """Return the number of cells."""
        return int(self._index.nlist)

    def _distances_of_faiss(self) -> int:
        return int(load_faiss().cvar.indexIVF_stats.ndis)

    def _distances_of_search(self, n_queries: int, before: int) -> int:
        """Return the vectors compared and the centroids, which faiss does not count."""
        return self._distances_of_faiss() - before + n_queries * self.nlist

    @property
    def nbytes(self) -> int:
        """Return the bytes of vectors, their ids (int64) and the centroids."""
        return self.vector_bytes + self.n_items * 8 + self.nlist * int(self._index.d) * 4

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors, float32 (n_items, dim), in the order of the items."""
        index = self._on_host()
        index.make_direct_map(True)
        vectors = np.asarray(index.reconstruct_n(0, self.n_items))
        index.make_direct_map(False)
        return vectors

    def _on_host(self) -> Any:
        return to_host(self._index, self._device)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote, onto the device."""
        super().load(folder)
        self._index = to_device(self._index, self._device)
        self.nprobe = self._nprobe

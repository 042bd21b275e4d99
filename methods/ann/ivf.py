"""IVF: vectors in cells of a k-means, a query looks into the nearest few; whole or as codes."""

import math
from typing import Any

import numpy as np

from harness.errors import MethodError
from harness.lists import FloatArray
from methods.ann.device import gpu_faiss, is_gpu, to_device
from methods.ann.euclidean import VectorSpace
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss
from methods.ann.refusals import FAST_SCAN_BITS, blocks_fault, check_cells, check_codewords

BLOCK = 32  # codes that fast scan packs together; what a cell lacks to a whole block is filled up


def default_nlist(n_items: int) -> int:
    """Return 4 * sqrt(n_items), rounded, and at most n_items: the usual number of cells."""
    return max(1, min(n_items, round(4 * math.sqrt(n_items))))


class FaissIVF(FaissIndex):
    """Inverted lists of faiss over whole vectors (``IndexIVFFlat``), on the CPU or a GPU.

    Euclidean cells are made on the CPU: the vectors near a centroid are in its cell, and what was
    taken for codes is what they differ by from it. Then the centroids are compared with queries by
    inner product, as vectors are.

    ``distances`` counts the vectors of the cells, as faiss counts them, and the centroids. On a GPU
    faiss counts nothing: cells of mean size stand for those looked into.

    Attributes
    ----------
    nprobe : cells that a search looks into; more than there are means all.
    """

    def __init__(
        self,
        nlist: int,
        train_per_list: int,
        cell_space: VectorSpace = "euclidean",
        *,
        device: str = "cpu",
        seed: int = 0,
        refined: bool = False,
    ) -> None:
        """Take the number of cells (0: `default_nlist`), the training vectors for each, and whose.

        ``cell_space`` : see `methods.ann.params.IVFParams`.
        """
        super().__init__(device, refined=refined)
        self._nlist, self._train_per_list = nlist, train_per_list
        self._is_euclidean = cell_space == "euclidean"
        self._seed = seed % (1 << 31)
        self.nprobe = 1

    def train(self, vectors: FloatArray) -> None:
        """Find the cells by k-means over a sample of the vectors, and what codes need.

        Raises
        ------
        MethodError
            More cells than vectors, or what `_empty` refuses.
        """
        n_items, dim = vectors.shape
        nlist = self._nlist or default_nlist(n_items)
        check_cells("nlist", nlist, n_items)
        faiss = gpu_faiss(self._device) if is_gpu(self._device) else load_faiss()
        cells = faiss.IndexFlatL2(dim) if self._is_euclidean else faiss.IndexFlatIP(dim)
        index = self._empty(faiss, cells, nlist, n_items)
        index.cp.spherical = not self._is_euclidean
        index.cp.seed = self._seed
        index.cp.max_points_per_centroid = self._train_per_list
        index.cp.min_points_per_centroid = 1  # else faiss complains on standard error
        self._index = self._with_vectors(index)
        if not self._is_euclidean:
            self._index = to_device(self._index, self._device)
        self._index.train(np.ascontiguousarray(vectors))
        self.nprobe = self._nprobe

    def add(self, vectors: FloatArray) -> None:
        """Put every vector into its cell; from then on cells are probed by inner product."""
        super().add(vectors)
        if self._is_euclidean:
            _probe_by_product(self._base)
            self._index = to_device(self._index, self._device)
            self.nprobe = self._nprobe

    def _empty(self, faiss: Any, cells: Any, nlist: int, n_items: int) -> Any:
        """Return an untrained index of faiss over ``n_items`` vectors to come."""
        return faiss.IndexIVFFlat(cells, cells.d, nlist, faiss.METRIC_INNER_PRODUCT)

    @property
    def nprobe(self) -> int:
        """Return the cells that a search looks into."""
        return self._nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        self._nprobe = value
        if hasattr(self, "_index"):
            self._base.nprobe = min(value, self.nlist)

    @property
    def nlist(self) -> int:
        """Return the number of cells."""
        return int(self._base.nlist)

    def _after_load(self) -> None:
        self.nprobe = self._nprobe

    def _distances_of_faiss(self) -> int:
        return int(load_faiss().cvar.indexIVF_stats.ndis)

    def _distances_of_search(self, n_queries: int, k: int, before: int) -> int:
        looked_into = self._distances_of_faiss() - before
        if is_gpu(self._device):
            looked_into = n_queries * self.n_items * min(self._nprobe, self.nlist) // self.nlist
        return looked_into + n_queries * self.nlist

    @property
    def details(self) -> dict[str, float]:
        """Return the number of cells."""
        return {"nlist": float(self.nlist)}

    @property
    def _base_bytes(self) -> int:
        """Return the bytes of what is in the cells, of ids (int64) and centroids."""
        return self._code_bytes + self.n_items * 8 + self.nlist * self._dim * 4

    @property
    def _code_bytes(self) -> int:
        return self.vector_bytes

    def _reconstruct(self, index: Any) -> FloatArray:
        index.make_direct_map(True)
        vectors = np.asarray(index.reconstruct_n(0, self.n_items))
        index.make_direct_map(False)
        return vectors


def _probe_by_product(index: Any) -> None:
    """Give an index of faiss that holds its vectors its centroids anew, under inner product."""
    faiss = load_faiss()
    old = faiss.downcast_index(index.quantizer)
    centroids = faiss.IndexFlatIP(old.d)
    centroids.add(flat_vectors(old))  # the old ones are kept, and freed, by who gave them
    index.quantizer = centroids
    centroids.this.disown()
    index.own_fields = True


class FaissIVFPQ(FaissIVF):
    """Inverted lists over product-quantised residuals (``IndexIVFPQ``), on the CPU or a GPU.

    A score is a sum of table entries, unless refined: then the best get exact inner products.
    ``distances`` counts codes summed up, centroids, and the exact products of refining.
    """

    _in_base = False

    def __init__(
        self,
        nlist: int,
        train_per_list: int,
        dims_per_block: int,
        bits: int = FAST_SCAN_BITS,
        cell_space: VectorSpace = "euclidean",
        *,
        device: str = "cpu",
        seed: int = 0,
        refined: bool = False,
    ) -> None:
        """Take the cells as `FaissIVF` does, and the codes: dimensions and bits of each."""
        super().__init__(
            nlist, train_per_list, cell_space, device=device, seed=seed, refined=refined
        )
        self._dims_per_block, self._bits = dims_per_block, bits

    def _empty(self, faiss: Any, cells: Any, nlist: int, n_items: int) -> Any:
        """Return an untrained index of faiss.

        Raises
        ------
        MethodError
            Blocks do not divide the vectors, or there are fewer vectors than codewords.
        """
        dim, blocks = cells.d, cells.d // self._dims_per_block
        if fault := blocks_fault(self._dims_per_block, dim):
            raise MethodError(fault)
        check_codewords(self._bits, n_items)
        index = self._kind(faiss)(cells, dim, nlist, blocks, self._bits, faiss.METRIC_INNER_PRODUCT)
        index.by_residual = True
        index.pq.cp.seed = self._seed
        index.pq.cp.min_points_per_centroid = 1
        return index

    def _kind(self, faiss: Any) -> Any:
        return faiss.IndexIVFPQ

    @property
    def _code_bytes(self) -> int:
        return self.n_items * int(self._base.code_size) + self._codebook_bytes

    @property
    def _codebook_bytes(self) -> int:
        return (1 << self._bits) * self._dim * 4


class FaissFastScan(FaissIVFPQ):
    """Inverted lists over codes of 4 bits, 32 at a time in registers (``IndexIVFPQFastScan``).

    Table entries are rounded to a byte, so the last bit of a query may change a score by more than
    rounding, unless it is refined; otherwise as `FaissIVFPQ`.
    """

    def _kind(self, faiss: Any) -> Any:
        return faiss.IndexIVFPQFastScan

    @property
    def _code_bytes(self) -> int:
        """Return the bytes of codes in blocks, two codes a byte, and of the codebooks."""
        lists, blocks = self._base.invlists, 0
        for cell in range(self.nlist):
            blocks += -(-int(lists.list_size(cell)) // BLOCK)
        return blocks * BLOCK * int(self._base.M2) // 2 + self._codebook_bytes

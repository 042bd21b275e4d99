"""Flat, IVF and HNSW as retrievers: search over vectors that come with the data."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import TopK
from methods.ann.flat import exact_index
from methods.ann.given_vectors import inner_products, item_vectors, query_vectors
from methods.ann.hnsw import FaissHNSW
from methods.ann.ivf import FaissIVF
from methods.ann.torch_flat import Found, Placed, TorchFlat
from methods.ann.vector_index import VectorIndex


class VectorRetriever(Retriever):
    """Rank items by the inner product of given vectors: the fields `vector` of queries and items.

    The score is the exhaustive inner product, so ``ann_recall`` says how much of exact vector
    search an index keeps.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SCORE, Capability.ENCODE, Capability.COUNTERS, Capability.SAVE}
    )
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)

    _index: VectorIndex
    _vectors: FloatArray | None = None

    @abstractmethod
    def _new_index(self) -> VectorIndex:
        """Return an empty index, as the build parameters say."""

    def _tune(self) -> None:
        """Hand the search parameters to the index; an exact one has none."""

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Take the item vectors; the index learns from them what it needs (IVF its cells)."""
        self._vectors = item_vectors(train)
        self._index = self._new_index()
        self._index.train(self._vectors)

    def build(self) -> None:
        """Put the vectors into the index."""
        assert self._vectors is not None, "fit came before"
        self._index.add(self._vectors)
        self.mark("index_build")

    def encode(self, queries: Queries) -> FloatArray:
        """Return the query vectors, float32 (n, dim)."""
        return query_vectors(queries)

    def search_encoded(self, encoded: FloatArray, hidden: Lists, k: int) -> TopK:
        """Return the k best items of query vectors, float32 (n, dim)."""
        self._tune()
        return self._index.search_visible(encoded, hidden, k, self.mark)

    def search(self, queries: Queries, k: int) -> TopK:
        """Take the query vectors, then search."""
        encoded = self.encode(queries)
        self.mark("encode")
        return self.search_encoded(encoded, queries.hidden, k)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return inner products, float32 (n, n_item_ids)."""
        if self._vectors is None:  # loaded: the index holds them
            self._vectors = self._index.vectors()
        return inner_products(self.encode(queries), self._vectors, item_ids)

    def counters(self) -> Mapping[str, int]:
        """Return inner products computed by searches."""
        return {"distances": self._index.distances}

    def footprint(self) -> Footprint:
        """Return the bytes of the index."""
        return Footprint(self._index.nbytes)

    def save(self, folder: Path) -> None:
        """Write the index."""
        self._index.save(folder)

    def load(self, folder: Path) -> None:
        """Read the index."""
        self._index = self._new_index()
        self._index.load(folder)


class Flat(VectorRetriever):
    """Exact search over given vectors: every inner product, by faiss on the CPU, torch on a GPU.

    Cost: n_items * dim multiplications a query, and the vectors in memory.
    """

    capabilities: ClassVar[frozenset[Capability]] = VectorRetriever.capabilities | {
        Capability.RESIDENT
    }
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")

    def _new_index(self) -> VectorIndex:
        return exact_index(self.device)

    def to_device(self, queries: Queries) -> Placed:
        """Copy the query vectors and what is hidden to the device."""
        vectors = torch.from_numpy(np.ascontiguousarray(self.encode(queries)))
        return Placed.of(vectors, queries.hidden, self.device)

    def search_resident(self, placed: Placed, k: int) -> Found:
        """Return the k best, left on the device."""
        assert isinstance(self._index, TorchFlat), "on a device the exact index is torch's"
        return self._index.search_placed(placed, k, self.mark)

    def to_host(self, found: Found) -> TopK:
        """Copy answers to the host."""
        return found.to_host()


@dataclass(frozen=True, slots=True)
class IVFParams:
    """How the cells are made.

    Attributes
    ----------
    nlist : cells; 0 stands for 4 * sqrt(n_items), rounded.
    train_per_list : vectors per cell in the sample that k-means sees.
    """

    nlist: int = 0
    train_per_list: int = 40

    def __post_init__(self) -> None:
        if self.nlist < 0 or self.train_per_list < 1:
            raise ValueError(
                f"nlist = {self.nlist} must be 0 (4 * sqrt(n_items)) or more, train_per_list = "
                f"{self.train_per_list} at least 1"
            )


@dataclass(frozen=True, slots=True)
class IVFSearch:
    """What a query looks into: ``nprobe`` cells; more than there are means all."""

    nprobe: int = 16

    def __post_init__(self) -> None:
        if self.nprobe < 1:
            raise ValueError(f"nprobe = {self.nprobe} must be at least 1")


class IVF(VectorRetriever):
    """Search over given vectors in the cells of a k-means that are nearest to the query.

    Cost: k-means over train_per_list * nlist vectors, nlist * n_items * dim multiplications to
    build; nlist + nprobe * n_items / nlist inner products a query, on average, more where cells are
    unequal. Memory: the vectors, 8 bytes an item, the centroids. Hidden items are dropped after the
    search, so a query that hides many may get fewer than k.

    References
    ----------
    Jégou, Douze and Schmid, PAMI 2011, section 4 (inverted file). Douze et al., "The Faiss
    library", 2024.
    """

    BuildParams: ClassVar[type[IVFParams]] = IVFParams
    SearchParams: ClassVar[type[IVFSearch]] = IVFSearch
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    exact: bool = False

    build_params: IVFParams
    search_params: IVFSearch
    _index: FaissIVF

    def _new_index(self) -> VectorIndex:
        params = self.build_params
        return FaissIVF(params.nlist, params.train_per_list, device=self.device, seed=self.seed)

    def _tune(self) -> None:
        self._index.nprobe = self.search_params.nprobe

    def footprint(self) -> Footprint:
        """Return the bytes of the index, and the number of cells."""
        return Footprint(self._index.nbytes, {"nlist": self._index.nlist})


@dataclass(frozen=True, slots=True)
class HNSWParams:
    """How the graph is made.

    Attributes
    ----------
    m : M, neighbours of a vector in the upper layers; twice as many at the bottom.
    ef_construction : efConstruction, candidates kept while inserting a vector.
    """

    m: int = 16
    ef_construction: int = 40

    def __post_init__(self) -> None:
        if self.m < 2 or self.ef_construction < 1:
            raise ValueError(
                f"m = {self.m} must be at least 2, ef_construction = {self.ef_construction} "
                "at least 1"
            )


@dataclass(frozen=True, slots=True)
class HNSWSearch:
    """How far a query looks: ``ef_search`` candidates kept while walking, at least k."""

    ef_search: int = 128

    def __post_init__(self) -> None:
        if self.ef_search < 1:
            raise ValueError(f"ef_search = {self.ef_search} must be at least 1")


class HNSW(VectorRetriever):
    """Search over given vectors by walking a graph of near neighbours, from layer to layer.

    Cost: about ef_construction * M inner products per inserted vector and layer to build, growing
    with the logarithm of n_items; a query computes what `counters` says. Memory: the vectors and 2
    M neighbours of 4 bytes an item. With more than one thread for building, the graph, and so the
    answers, depend on the order in which threads insert. Hidden items are dropped after the search.

    References
    ----------
    Malkov and Yashunin, PAMI 2020, algorithms 1 and 5. Douze et al., "The Faiss library", 2024.
    """

    BuildParams: ClassVar[type[HNSWParams]] = HNSWParams
    SearchParams: ClassVar[type[HNSWSearch]] = HNSWSearch
    exact: bool = False

    build_params: HNSWParams
    search_params: HNSWSearch
    _index: FaissHNSW

    def _new_index(self) -> VectorIndex:
        return FaissHNSW(self.build_params.m, self.build_params.ef_construction)

    def _tune(self) -> None:
        self._index.ef_search = self.search_params.ef_search

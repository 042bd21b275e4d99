"""VectorRetriever: what all indexes over given vectors have in common as retrievers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import TopK
from methods.ann.given_vectors import inner_products, item_vectors, query_vectors
from methods.ann.indexes import INDEXES, new_index
from methods.ann.vector_index import VectorIndex


class VectorRetriever(Retriever):
    """Rank items by the inner product of given vectors: the fields `vector` of queries and items.

    The score is the exhaustive inner product, so ``ann_recall`` says how much of exact vector
    search an index keeps. Hidden items are dropped after the search, where the index cannot leave
    them out, so a query that hides many may get fewer than k. Parameters, devices and whether the
    search is exact come from the entry of ``index`` in `methods.ann.indexes.INDEXES`.
    """

    index: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SCORE, Capability.ENCODE, Capability.COUNTERS, Capability.SAVE}
    )
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)

    _index: VectorIndex
    _vectors: FloatArray | None = None
    _tuned: Any = None

    def __init_subclass__(cls) -> None:
        """Take over what the table of indexes says."""
        kind = INDEXES[cls.index]
        cls.BuildParams, cls.SearchParams, cls.devices = kind.build, kind.search, kind.devices
        cls.exact = kind.is_exact(kind.build())

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters."""
        super().__init__(build_params, device=device, seed=seed, progress=progress)
        self.exact = INDEXES[self.index].is_exact(self.build_params)

    @classmethod
    def check_log(cls, build_params: Any, log: Interactions) -> None:
        """Refuse what the index refuses of so many items."""
        INDEXES[cls.index].check_items(build_params, log.n_items)

    def _new_index(self) -> VectorIndex:
        return new_index(self.index, self.build_params, device=self.device, seed=self.seed)

    def _tune(self) -> None:
        """Hand the search parameters to the index, once for each change of them."""
        if self._tuned is not self.search_params:
            self._index.tune(self.search_params)
            self._tuned = self.search_params

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Take the item vectors; the index learns from them what it needs (IVF its cells)."""
        self._vectors, self._tuned = item_vectors(train), None
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
        """Return inner products, float32 (n, n_item_ids); a loaded index of codes has none."""
        if self._vectors is None:  # loaded: the index holds them, or says that it does not
            self._vectors = self._index.vectors()
        return inner_products(self.encode(queries), self._vectors, item_ids)

    def counters(self) -> Mapping[str, int]:
        """Return inner products computed by searches; what counts as one the index says."""
        return {"distances": self._index.distances}

    def footprint(self) -> Footprint:
        """Return the bytes of the index, and what else it tells."""
        return Footprint(self._index.nbytes, self._index.details)

    def save(self, folder: Path) -> None:
        """Write the index."""
        self._index.save(folder)

    def load(self, folder: Path) -> None:
        """Read the index."""
        self._index, self._tuned = self._new_index(), None
        self._index.load(folder)

"""LinearRetriever: what item-item models have in common once their weights are found."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness.arrays import load_arrays, save_arrays
from harness.interactions import Queries
from harness.lists import FloatArray, IntArray
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import TopK
from methods.classical.item_weights import DenseWeights, ItemWeights, SparseWeights


class LinearRetriever(Retriever):
    """Score an item by its weights from the items of the history, summed; a repeat counts once.

    A subclass finds the weights in `fit` and sets ``_serving`` in `build`.

    Attributes
    ----------
    kind : of what is saved.
    """

    kind: ClassVar[str]
    capabilities = frozenset({Capability.SCORE, Capability.COUNTERS, Capability.SAVE})
    search_stages: ClassVar[tuple[str, ...]] = ("scoring",)  # sums and their top are one
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)

    _serving: ItemWeights

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items with the largest sums."""
        found = self._serving.search(queries, k)
        self.mark("scoring")
        return found

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the sums that `search` ranks by; -inf for an item that it never returns."""
        return self._serving.score(queries, item_ids)

    def footprint(self) -> Footprint:
        """Return the bytes of the weights, and how many there are (``postings``)."""
        n_bytes = sum(one.nbytes for one in self._serving.arrays.values())
        return Footprint(n_bytes, {"postings": float(self._serving.n_weights), **self._facts()})

    def counters(self) -> Mapping[str, int]:
        """Return the weights read and the items they touched, over all searches."""
        return self._serving.work

    def save(self, folder: Path) -> None:
        """Write the weights."""
        save_arrays(folder, self.kind, self._serving.arrays, dict(self._facts()))

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        arrays, facts = load_arrays(folder, self.kind)
        self._serving = DenseWeights(arrays) if "dense" in arrays else SparseWeights(arrays)
        self._take_facts(facts)

    def _facts(self) -> Mapping[str, float]:
        """Return further numbers for the footprint, which are saved too."""
        return {}

    def _take_facts(self, facts: Mapping[str, float]) -> None:
        """Take back what `_facts` returned when the method was saved."""

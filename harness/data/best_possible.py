"""Best possible: ranks by the truth that a synthetic log was drawn from; the ceiling of a table."""

from typing import ClassVar

from harness.data.ground_truth import exact_top_k
from harness.data.log import Truth
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.progress import Progress, silent
from harness.retriever import Capability, Retriever
from harness.topk import TopK


class BestPossible(Retriever):
    """Returns the items of highest expected relevance, hidden ones left out. Learns nothing.

    No method can do better in expectation on queries drawn from the same truth; on a finite
    sample one may by luck.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.SCORE})

    def __init__(self, truth: Truth, *, seed: int = 0, progress: Progress = silent) -> None:
        super().__init__(seed=seed, progress=progress)
        self._truth = truth
        self._n_items = 0

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Keep the size of the catalogue."""
        self._n_items = train.n_items

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items of each query by the truth."""
        return exact_top_k(self.score, queries, self._n_items, k)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the truth's score, float32 (n, n_item_ids)."""
        return self._truth.score(queries, item_ids)

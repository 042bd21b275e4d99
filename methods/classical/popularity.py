"""Popularity: every user is offered the most interacted items."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import PAD_ID, PAD_SCORE, TopK


class Popularity(Retriever):
    """Rank items by their number of training interactions: the floor a learned method must clear.

    All items are sorted once; a search takes the head of that order, as far as hidden items reach.
    Ties go to the smaller item id, so two runs return the same lists. Fitting costs O(n_events +
    n_items log n_items), an index 20 bytes an item.

    References
    ----------
    Cremonesi, Koren and Turrin, RecSys 2010 ("TopPop").
    """

    kind: ClassVar[str] = "popularity"  # of what is saved
    capabilities = frozenset({Capability.SCORE, Capability.SAVE})
    search_stages: ClassVar[tuple[str, ...]] = ("top_k",)
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Count the events of each item."""
        self._counts = np.bincount(train.item_ids, minlength=train.n_items).astype(np.float32)

    def build(self) -> None:
        """Sort the items, most popular first."""
        order = np.argsort(-self._counts, kind="stable").astype(np.int64)
        self._take(order, self._counts[order])
        self.mark("index_build")

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the most popular items that are not hidden, scored by their counts."""
        n, hidden = len(queries), queries.hidden
        reach = min(k + int(hidden.lengths.max(initial=0)), self._order.size)
        shown = np.ones((n, reach), np.bool_)
        places = self._place[hidden.ids]
        inside = places < reach
        shown[hidden.rows[inside], places[inside]] = False
        rank = np.cumsum(shown, axis=1)  # 1 at the best item that is shown
        rows, places = np.nonzero(shown & (rank <= k))
        columns = rank[rows, places] - 1
        ids = np.full((n, k), PAD_ID, np.int64)
        scores = np.full((n, k), PAD_SCORE, np.float32)
        ids[rows, columns] = self._order[places]
        scores[rows, columns] = self._ordered_counts[places]
        self.mark("top_k")
        return TopK(ids, scores)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the count of each item, the same for every query."""
        scores = self._ordered_counts[self._place[item_ids]]
        return np.tile(scores, (len(queries), 1))

    def save(self, folder: Path) -> None:
        """Write the order and its counts, 12 bytes an item."""
        save_arrays(folder, self.kind, {"order": self._order, "counts": self._ordered_counts})

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        arrays, _ = load_arrays(folder, self.kind)
        self._take(arrays["order"], arrays["counts"])

    def footprint(self) -> Footprint:
        """Return the bytes of the order, its counts and each item's place in it."""
        return Footprint(
            sum(one.nbytes for one in (self._order, self._ordered_counts, self._place))
        )

    def _take(self, order: IntArray, ordered_counts: FloatArray) -> None:
        self._order, self._ordered_counts = order, ordered_counts
        self._place = np.empty_like(order)
        self._place[order] = np.arange(order.size)

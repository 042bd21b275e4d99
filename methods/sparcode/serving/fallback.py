"""Fallback: popular items below those with a positive score, where a list would be short."""

from typing import Self

import numpy as np

from harness.interactions import Interactions
from harness.lists import FloatArray, Lists
from harness.topk import PAD_ID, TopK


class PopularityFallback:
    """Gives each item a score in [-1, 0) that rises with its number of training interactions.

    Sparse scores are above zero, so what is filled in stands below them, and the whole list is
    still the top of one score. Candidates that were scored again may lie below zero: what is filled
    in is then shifted to below the least of its row.
    """

    def __init__(self, scores: FloatArray) -> None:
        """Keep the score of every item, and the order that follows from it."""
        self.scores = scores
        self._order = np.argsort(-self.scores, kind="stable")

    @classmethod
    def of_log(cls, train: Interactions) -> Self:
        """Count the items of ``train``."""
        counts = np.bincount(train.item_ids, minlength=train.n_items)
        return cls((counts / (counts.max(initial=0) + 1) - 1).astype(np.float32))

    @property
    def nbytes(self) -> int:
        """Return the bytes of scores and order."""
        return self.scores.nbytes + self._order.nbytes

    def fill(self, found: TopK, hidden: Lists) -> TopK:
        """Return ``found`` with its pads replaced by the most popular items not there or hidden."""
        ids, scores = found.ids.copy(), found.scores.copy()
        for row in np.flatnonzero(found.ids[:, -1] == PAD_ID):
            first = int((found.ids[row] != PAD_ID).sum())
            taken = np.concatenate((found.ids[row, :first], hidden.row(int(row))))
            near = self._order[: found.k + hidden.lengths[row]]  # enough whatever is taken
            chosen = near[~np.isin(near, taken)][: found.k - first]
            ids[row, first : first + chosen.size] = chosen
            least = scores[row, first - 1] if first else np.float32(0)
            scores[row, first : first + chosen.size] = self.scores[chosen] + min(least, 0)
        return TopK(ids, scores)

"""Timed answers: the run that is timed is the run that is scored."""

from collections import Counter

import numpy as np

from harness.lists import IntArray, Lists
from harness.measure.agreement import differing_rows
from harness.metrics.faults import ListFaults, list_faults
from harness.topk import PAD_ID, TopK

CHANCE = 4.0

# Counted over all timed answers; what concerns ties is settled where answers are scored.
COUNTED = ("duplicates", "nan_scores", "unknown_ids", "misplaced_pads", "rising")


class TimedAnswers:
    """Compares answers given while timed with the scored ones, block by block, and keeps counts.

    Attributes
    ----------
    n_checked, n_differ : answers compared, and those that differ beyond ties and rounding.
    """

    def __init__(self, scored: TopK, n_items: int, relevant: Lists | None = None) -> None:
        """Take the scored answers, the size of the catalogue, and what should be found."""
        self._scored = scored
        self._n_items = n_items
        self._relevant = relevant
        self._gained = np.zeros(len(scored))  # relevant items more than the scored answer holds
        self._counts: Counter[str] = Counter()
        self.n_checked = 0
        self.n_differ = 0

    def __call__(self, rows: IntArray, answers: TopK) -> None:
        """Take answers to the queries ``rows``, int64 (n,)."""
        scored = TopK(self._scored.ids[rows], self._scored.scores[rows])
        others = np.flatnonzero((scored.ids != answers.ids).any(axis=1))
        if self._relevant is not None and others.size:
            held = self._relevant.take(rows[others])
            gained = _hits(answers.ids[others], held) - _hits(scored.ids[others], held)
            self._gained[rows[others]] = gained
        self.n_checked += len(answers)
        self.n_differ += int(differing_rows(scored, answers).sum())
        found = list_faults(answers, self._n_items)
        self._counts.update({name: getattr(found, name) for name in COUNTED})

    @property
    def faults(self) -> tuple[str, ...]:
        """Return what is wrong with the lists themselves, in words."""
        counts = {name: self._counts[name] for name in COUNTED}
        return (
            *ListFaults(
                **counts, tie_disorder=0, underfilled=0, fill_rate=1.0, tied_lists=0.0
            ).reasons,
            *self._unlike_ties(),
        )

    def _unlike_ties(self) -> tuple[str, ...]:
        """Say where items exchanged among ties are no chance: they find more, or less.

        Over queries the gain of an exchange by chance has mean 0, so its sum lies within
        `CHANCE` standard deviations, which the gains themselves give.
        """
        total, spread = float(self._gained.sum()), float(np.sqrt((self._gained**2).sum()))
        if abs(total) <= CHANCE * spread:
            return ()
        return (f"answers that tie with the scored hold {total:+.0f} relevant items",)


def _hits(ids: IntArray, relevant: Lists) -> IntArray:
    """Return how many relevant items each list holds, int64 (n,)."""
    base = int(max(ids.max(initial=0), relevant.ids.max(initial=0))) + 2
    rows = np.arange(len(ids), dtype=np.int64)[:, None]
    found = np.isin(rows * base + ids + 1, relevant.rows * base + relevant.ids + 1)
    return np.asarray((found & (ids != PAD_ID)).sum(axis=1))

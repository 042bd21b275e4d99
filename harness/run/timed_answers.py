"""Timed answers: the run that is timed is the run that is scored."""

from collections import Counter

from harness.lists import IntArray
from harness.measure.agreement import differing_rows
from harness.metrics.faults import ListFaults, list_faults
from harness.topk import TopK

# Counted over all timed answers; what concerns ties is settled where answers are scored.
COUNTED = ("duplicates", "nan_scores", "unknown_ids", "misplaced_pads", "rising")


class TimedAnswers:
    """Compares answers given while timed with the scored ones, block by block, and keeps counts.

    Attributes
    ----------
    n_checked, n_differ : answers compared, and those that differ beyond ties and rounding.
    """

    def __init__(self, scored: TopK, n_items: int) -> None:
        """Take the scored answers to the queries that are sent, and the size of the catalogue."""
        self._scored = scored
        self._n_items = n_items
        self._counts: Counter[str] = Counter()
        self.n_checked = 0
        self.n_differ = 0

    def __call__(self, rows: IntArray, answers: TopK) -> None:
        """Take answers to the queries ``rows``, int64 (n,)."""
        scored = TopK(self._scored.ids[rows], self._scored.scores[rows])
        self.n_checked += len(answers)
        self.n_differ += int(differing_rows(scored, answers).sum())
        found = list_faults(answers, self._n_items)
        self._counts.update({name: getattr(found, name) for name in COUNTED})

    @property
    def faults(self) -> tuple[str, ...]:
        """Return what is wrong with the lists themselves, in words."""
        counts = {name: self._counts[name] for name in COUNTED}
        return ListFaults(
            **counts, tie_disorder=0, underfilled=0, fill_rate=1.0, tied_lists=0.0
        ).reasons

"""What is wrong with returned lists: counted, so that a broken method cannot pass for a bad one."""

from dataclasses import dataclass

import numpy as np

from harness.topk import PAD_ID, PAD_SCORE, TopK


@dataclass(frozen=True, slots=True)
class ListFaults:
    """Counts over the answers to n queries.

    Attributes
    ----------
    duplicates : entries that repeat an id of their row.
    nan_scores : entries whose score is NaN.
    unknown_ids : entries whose id is neither a pad nor in the catalogue.
    misplaced_pads : entries with a pad's id but not its score, or its score but not its id.
    rising : rows in which a score is above the one before it.
    tie_disorder : rows in which two neighbours of equal score stand with the larger id first.
    underfilled : rows that hold fewer than k items.
    fill_rate : items returned / (n * k), a share.
    tied_lists : share of rows in which two neighbours have the same score.
    """

    duplicates: int
    nan_scores: int
    unknown_ids: int
    misplaced_pads: int
    rising: int
    tie_disorder: int
    underfilled: int
    fill_rate: float
    tied_lists: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return what makes the run INVALID, as texts; an under-filled list does not."""
        found = (
            (self.duplicates, "duplicate ids in lists"),
            (self.nan_scores, "NaN scores"),
            (self.unknown_ids, "ids outside the catalogue"),
            (self.misplaced_pads, "pads with a score or items with a pad's score"),
            (self.rising, "lists whose scores rise"),
        )
        return tuple(f"{count} {text}" for count, text in found if count)


def list_faults(answers: TopK, n_items: int) -> ListFaults:
    """Return what is wrong with the answers, and how full and how tied they are."""
    ids, scores = answers.ids, answers.scores
    filled = ids != PAD_ID
    known = filled & (ids >= 0) & (ids < n_items)
    ordered = np.sort(ids, axis=1)
    nan = np.isnan(scores)
    both = filled[:, 1:] & filled[:, :-1]
    tied = both & (scores[:, 1:] == scores[:, :-1])
    return ListFaults(
        duplicates=int(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != PAD_ID)).sum()),
        nan_scores=int(nan.sum()),
        unknown_ids=int((filled & ~known).sum()),
        misplaced_pads=int((~nan & (filled == (scores == PAD_SCORE))).sum()),
        rising=int((scores[:, 1:] > scores[:, :-1]).any(axis=1).sum()),
        tie_disorder=int((tied & (ids[:, 1:] < ids[:, :-1])).any(axis=1).sum()),
        underfilled=int((~filled).any(axis=1).sum()),
        fill_rate=float(filled.mean()) if filled.size else 1.0,
        tied_lists=float(tied.any(axis=1).mean()) if len(answers) else 0.0,
    )

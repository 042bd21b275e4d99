"""Strict scores: lists without ties, so that every program reads them in our order.

Programs order a list by score alone and break ties by rules of their own: trec_eval by document id
descending, as text. Ours is by item id ascending. Scores that fall from item to item leave nothing
to break.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import ExchangeError
from harness.topk import PAD_ID, TopK

Scores = npt.NDArray[np.float32]
TINY = np.finfo(np.float32).tiny  # below it numbers lose digits, and some programs take them for 0


@dataclass(frozen=True, slots=True)
class TieReport:
    """What was done to the lists of one run.

    Attributes
    ----------
    n_lists, n_entries : lists, and items in them.
    tied_lists : lists in which two neighbours had the same score.
    moved : entries whose score was lowered.
    largest_move : by how much the score of one was lowered at most.
    """

    n_lists: int
    n_entries: int
    tied_lists: int
    moved: int
    largest_move: float

    def __str__(self) -> str:
        return (
            f"{self.tied_lists} of {self.n_lists} lists had ties; {self.moved} of "
            f"{self.n_entries} scores lowered, by {self.largest_move:.3g} at most"
        )


def strict_scores(answers: TopK, where: str) -> tuple[Scores, TieReport]:
    """Return scores that fall strictly along each list, float32 (n, k), and what was changed.

    A score that is not below the one before it becomes the next lower float32, so order survives
    programs that hold scores in single precision, as trec_eval does. Pads keep -inf.

    Raises
    ------
    ExchangeError
        A score is NaN or infinite, or rises along its list: such lists have no order to keep.
    """
    given, filled = answers.scores, answers.ids != PAD_ID
    if not np.isfinite(given[filled]).all():
        row = int(np.flatnonzero((filled & ~np.isfinite(given)).any(axis=1))[0])
        raise ExchangeError(f"{where}: query {row} has a score that is not finite")
    both = filled[:, 1:] & filled[:, :-1]
    rises = (both & (given[:, 1:] > given[:, :-1])).any(axis=1)
    if rises.any():
        row = int(np.flatnonzero(rises)[0])
        raise ExchangeError(f"{where}: the scores of query {row} rise; expected best first")
    strict = given.copy()
    for column in range(1, given.shape[1]):
        lower = next_below(strict[:, column - 1])
        strict[:, column] = np.where(
            filled[:, column], np.minimum(strict[:, column], lower), given[:, column]
        )
    if not np.isfinite(strict[filled]).all():
        raise ExchangeError(f"{where}: scores at the lowest float32 leave no room below them")
    moved = filled & (strict != given)
    moves = given[moved].astype(np.float64) - strict[moved]
    tied = both & (given[:, 1:] == given[:, :-1])
    return strict, TieReport(
        len(answers),
        int(filled.sum()),
        int(tied.any(axis=1).sum()),
        int(moved.sum()),
        float(moves.max(initial=0.0)),
    )


def next_below(scores: Scores) -> Scores:
    """Return the next lower float32 of each score that is 0 or normal.

    >>> next_below(np.array([1.0, 0.0], np.float32)).tolist()
    [0.9999999403953552, -1.1754943508222875e-38]
    """
    with np.errstate(over="ignore"):  # of the lowest float32 it is -inf, which the caller refuses
        lower = np.nextafter(scores, np.float32(-np.inf))
    lower = np.where((scores > 0) & (lower < TINY), np.float32(0), lower)
    return np.where((scores <= 0) & (lower > -TINY), -TINY, lower).astype(np.float32)

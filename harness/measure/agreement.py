"""Agreement: whether two answers to the same queries are the same, ties and rounding aside."""

import numpy as np
import numpy.typing as npt

from harness.topk import PAD_ID, TopK

TOLERANCE = 1e-5  # of the largest score of the query: float32 sums in another order differ less


def differing_rows(
    first: TopK, second: TopK, tolerance: float = TOLERANCE
) -> npt.NDArray[np.bool_]:
    """Return for each query whether the two answers differ, bool (n,).

    Answers agree when their scores are equal rank by rank within ``tolerance`` times the largest
    absolute score of the row, and they hold the same items wherever the score clears the last
    score of the list by more than that: only items tied with the last one may be exchanged.
    """
    filled = first.ids != PAD_ID
    scores = np.where(filled, first.scores, 0.0)
    other = np.where(second.ids != PAD_ID, second.scores, 0.0)
    margin = tolerance * np.maximum(np.abs(scores).max(axis=1, initial=0.0), 1e-30)[:, None]
    differ = (filled != (second.ids != PAD_ID)).any(axis=1)
    differ |= (np.abs(scores - other) > margin).any(axis=1)
    return (
        differ
        | _sure_items_differ(first, second, margin)
        | _sure_items_differ(second, first, margin)
    )


def _sure_items_differ(
    one: TopK, other: TopK, margin: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return whether an item of ``one`` that no tie explains is missing from ``other``."""
    full = one.ids[:, -1:] != PAD_ID
    last = np.where(full, one.scores[:, -1:], -np.inf)
    sure = (one.ids != PAD_ID) & (one.scores > last + 2 * margin)
    n_ids = int(max(one.ids.max(initial=0), other.ids.max(initial=0))) + 1
    base = np.arange(len(one), dtype=np.int64)[:, None] * n_ids
    present = np.isin(base + one.ids, (base + other.ids)[other.ids != PAD_ID])
    return np.asarray((sure & ~present).any(axis=1))

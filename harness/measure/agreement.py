"""Agreement: whether two answers to the same queries are the same, ties and rounding aside."""

import numpy as np
import numpy.typing as npt

from harness.topk import PAD_ID, TopK

TOLERANCE = 1e-5  # of the largest score of the query: float32 sums in another order differ less


def differing_rows(
    first: TopK, second: TopK, tolerance: float = TOLERANCE
) -> npt.NDArray[np.bool_]:
    """Return for each query whether the two answers differ, bool (n,).

    Answers agree when their scores are equal rank by rank, an item that both hold has the same
    score in both, and they hold the same items wherever the score clears the last score of a full
    list: only items tied with the last one may be exchanged. Scores are the same within
    ``tolerance`` times the largest absolute score of the row; NaN is the same as nothing.
    """
    filled = first.ids != PAD_ID
    scores = np.where(filled, first.scores, 0.0)
    other = np.where(second.ids != PAD_ID, second.scores, 0.0)
    margin = tolerance * np.maximum(np.abs(scores).max(axis=1, initial=0.0), 1e-30)[:, None]
    differ = (filled != (second.ids != PAD_ID)).any(axis=1)
    differ |= ~(np.abs(scores - other) <= margin).all(axis=1)  # so that NaN differs
    differ |= _items_differ(first, second, margin) | _items_differ(second, first, margin)
    return np.asarray(differ)


def _items_differ(one: TopK, other: TopK, margin: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return whether ``other`` lacks an item that no tie explains, or scores one apart."""
    full = one.ids[:, -1:] != PAD_ID
    last = np.where(full, one.scores[:, -1:], -np.inf)
    sure = one.scores > last + 2 * margin
    n_ids = int(max(one.ids.max(initial=0), other.ids.max(initial=0))) + 2
    base = np.arange(len(one), dtype=np.int64)[:, None] * n_ids
    keys = (base + other.ids + 1).ravel()  # a pad is id 0 of its row
    order = np.argsort(keys, kind="stable")
    wanted = (base + one.ids + 1).ravel()
    place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), keys.size - 1)]
    present = (keys[place] == wanted).reshape(one.ids.shape)
    with np.errstate(invalid="ignore"):  # pads: -inf minus -inf
        apart = np.abs(other.scores.ravel()[place].reshape(one.ids.shape) - one.scores) > margin
    counts = one.ids != PAD_ID
    return np.asarray((counts & ((sure & ~present) | (present & apart))).any(axis=1))

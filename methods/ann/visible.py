"""What a library found, compiled: is it in order, which are pads, which items are not hidden."""

import numba
import numpy as np
from numba import types

from harness.lists import FloatArray, IntArray, Lists
from harness.topk import PAD_ID, PAD_SCORE, TopK

_IDS = types.Array(types.int64, 1, "A", readonly=True)
_I, _S = types.int64[:, ::1], types.float32[:, ::1]


def first_visible(found: TopK, hidden: Lists, k: int) -> TopK:
    """Return the first k answers of each row that are not hidden, padded where fewer are left.

    As `harness.topk.drop_hidden`, compiled: of one query that took as long as a search does.
    """
    ids = np.empty((len(found), k), np.int64)
    scores = np.empty((len(found), k), np.float32)
    given_ids = np.ascontiguousarray(found.ids)
    given_scores = np.ascontiguousarray(found.scores)
    _drop(given_ids, given_scores, hidden.indptr, hidden.ids, ids, scores)
    return TopK(ids, scores)


@numba.njit(types.void(_I, _S, _IDS, _IDS, _I, _S), cache=True, nogil=True)
def _drop(
    found: IntArray, found_scores: FloatArray, indptr: IntArray, hidden: IntArray,
    ids: IntArray, scores: FloatArray,
) -> None:  # fmt: skip
    for row in range(ids.shape[0]):
        banned = hidden[indptr[row] : indptr[row + 1]].copy()
        for at in range(1, banned.size):
            if banned[at] < banned[at - 1]:  # as a rule they ascend
                banned = np.sort(banned)
                break
        kept = 0
        for column in range(found.shape[1]):
            item = found[row, column]
            if kept == ids.shape[1]:
                break
            if item == PAD_ID:
                continue
            low, high = 0, banned.size  # the first that is not below the item
            while low < high:
                middle = (low + high) >> 1
                if banned[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            if low < banned.size and banned[low] == item:
                continue
            ids[row, kept], scores[row, kept] = item, found_scores[row, column]
            kept += 1
        for column in range(kept, ids.shape[1]):
            ids[row, column], scores[row, column] = PAD_ID, PAD_SCORE


@numba.njit(types.boolean(_S), cache=True, nogil=True)
def falls(scores: FloatArray) -> bool:
    """Return whether every score of a row is below the one before it: nothing ties."""
    for row in range(scores.shape[0]):
        for column in range(1, scores.shape[1]):
            if not scores[row, column] < scores[row, column - 1]:
                return False
    return True


@numba.njit(types.void(_I, _S), cache=True, nogil=True)
def write_pad_scores(ids: IntArray, scores: FloatArray) -> None:
    """Give pads the score of pads, whatever a library gave them."""
    for row in range(ids.shape[0]):
        for column in range(ids.shape[1]):
            if ids[row, column] == PAD_ID:
                scores[row, column] = PAD_SCORE

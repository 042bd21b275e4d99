"""The serving kernel: add up the posting lists of a query's codes, keep the k best items."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE


@numba.njit(cache=True, nogil=True)
def merge_lists(
    starts: IntArray,
    items: npt.NDArray[np.int32],
    scores: FloatArray,
    lists: IntArray,
    hidden_starts: IntArray,
    hidden: IntArray,
    n_items: int,
    k: int,
) -> tuple[IntArray, FloatArray, int, int]:
    """Return ids and scores (n, k), and how many postings and candidates were touched.

    ``lists`` int64 (n, K) names K lists per query; their scores are added in that order, one list
    after another, in float32. Ties go to the smaller id; what is missing is padded.
    """
    totals = np.zeros(n_items, np.float32)
    return merge_into(totals, starts, items, scores, lists, hidden_starts, hidden, k)


@numba.njit(cache=True, nogil=True)
def merge_into(
    totals: FloatArray,
    starts: IntArray,
    items: npt.NDArray[np.int32],
    scores: FloatArray,
    lists: IntArray,
    hidden_starts: IntArray,
    hidden: IntArray,
    k: int,
) -> tuple[IntArray, FloatArray, int, int]:
    """Return what `merge_lists` returns, adding up in ``totals``, float32 (n_items,), all zero.

    It is all zero again afterwards: who keeps it from call to call pays for the catalogue's size
    once, not with every query. Two calls at a time must not share one.
    """
    n = lists.shape[0]
    ids = np.full((n, k), PAD_ID, np.int64)
    best = np.full((n, k), PAD_SCORE, np.float32)
    most = 0  # postings of one query
    for q in range(n):
        length = 0
        for column in range(lists.shape[1]):
            length += starts[lists[q, column] + 1] - starts[lists[q, column]]
        most = max(most, length)
    touched = np.empty(min(most, totals.size), np.int64)
    values = np.empty(touched.size, np.float32)
    n_postings = n_candidates = 0
    for q in range(n):
        count = 0
        for column in range(lists.shape[1]):
            one = lists[q, column]
            for place in range(starts[one], starts[one + 1]):
                item = items[place]
                if totals[item] == 0.0:
                    touched[count] = item
                    count += 1
                totals[item] += scores[place]
            n_postings += starts[one + 1] - starts[one]
        n_candidates += count
        for place in range(hidden_starts[q], hidden_starts[q + 1]):
            if totals[hidden[place]] > 0.0:
                totals[hidden[place]] = np.float32(-1.0)
        kept = 0
        for place in range(count):
            total = totals[touched[place]]
            if total > 0.0:
                values[kept] = total
                kept += 1
        bar = np.float32(0.0)
        if kept > k:
            bar = np.partition(values[:kept], kept - k)[kept - k]  # the k-th largest
        _take_best(totals, touched[:count], bar, ids[q], best[q])
        for place in range(count):
            totals[touched[place]] = 0.0
    return ids, best, n_postings, n_candidates


@numba.njit(cache=True, nogil=True)
def _take_best(
    totals: FloatArray, touched: IntArray, bar: np.float32, ids: IntArray, best: FloatArray
) -> None:
    """Write the items above ``bar``, then those at it by id, into one row, in order."""
    above = np.empty(ids.size, np.int64)
    tied = np.empty(touched.size, np.int64)
    n_above = n_tied = 0
    for place in range(touched.size):
        item = touched[place]
        if totals[item] > bar:
            above[n_above] = item
            n_above += 1
        elif totals[item] == bar and bar > 0.0:
            tied[n_tied] = item
            n_tied += 1
    chosen = np.sort(above[:n_above])
    order = np.argsort(-totals[chosen], kind="mergesort")  # stable: equal scores stay by id
    for place in range(n_above):
        ids[place] = chosen[order[place]]
        best[place] = totals[chosen[order[place]]]
    rest = np.sort(tied[:n_tied])[: ids.size - n_above]
    for place in range(rest.size):
        ids[n_above + place] = rest[place]
        best[n_above + place] = bar


@numba.njit(cache=True, nogil=True)
def add_rows(rows: FloatArray, lists: IntArray) -> FloatArray:
    """Return for each query the sum of K rows of dense scores, in the order that lists merge.

    ``rows`` float32 (n_lists, n_items), not negative; ``lists`` int64 (n, K). It is what
    `merge_lists` would add up, bit for bit: zeros change no float32 sum.
    """
    out = np.zeros((lists.shape[0], rows.shape[1]), np.float32)
    for q in range(lists.shape[0]):
        for column in range(lists.shape[1]):
            out[q] += rows[lists[q, column]]
    return out

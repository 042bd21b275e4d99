"""Compiled kernels of `item_knn`: the neighbours of every item, and the sums over a history.

Signatures are given, so that compilation happens at import (and is kept on disk), never inside a
timed fit or search. One file, because a kept compilation does not notice changes elsewhere.
"""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray

Int32Array = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]

I64, I32, F32, F64 = (
    kind[::1] for kind in (numba.int64, numba.int32, numba.float32, numba.float64)
)
I64_2D, F32_2D = numba.int64[:, ::1], numba.float32[:, ::1]


@numba.njit(numba.int64(F32, I32, numba.int64, numba.int64, I32), cache=True)
def _best(values: FloatArray, candidates: Int32Array, n: int, k: int, found: Int32Array) -> int:
    """Write the best k of the first n candidates into ``found``; return how many there are.

    Best by ``values[candidate]`` descending, then candidate ascending. Only what reaches the k-th
    value is sorted.
    """
    taken = candidates[:n].copy()
    if n > k:
        kth = -np.partition(-values[taken], k - 1)[k - 1]
        taken = taken[values[taken] >= kth]
    taken.sort()
    order = np.argsort(-values[taken], kind="mergesort")[:k]
    found[: order.size] = taken[order]
    return order.size


@numba.njit(
    numba.types.Tuple((I64, I32, F32))(  # type: ignore[no-untyped-call]
        I64,
        I64,
        I64,
        I64,
        F64,
        F64,
        F64,
        F64,
        numba.float64,
        numba.boolean,
        numba.int64,
        numba.int64,
    ),
    cache=True,
)
def find_neighbours(
    user_indptr: IntArray,
    user_items: IntArray,
    item_indptr: IntArray,
    item_users: IntArray,
    user_weights: Reals,
    item_weights: Reals,
    left: Reals,
    right: Reals,
    shrinkage: float,
    is_union: bool,
    n_neighbours: int,
    most: int,
) -> tuple[IntArray, Int32Array, FloatArray]:
    """Return the ``n_neighbours`` most similar other items of each item, best first, as CSR.

    ``c(i, j) = item_weights[i] item_weights[j] sum over common users of user_weights[u]`` is
    divided by ``left[i] right[j] + shrinkage``, or, where ``is_union``, by ``left[i] + right[j] -
    c(i, j) + shrinkage``. Pairs without a common user are no neighbours. There is room for ``most``
    of them, see `methods.classical.met.most_neighbours`. Memory is O(n_items) beside the result;
    time is the sum over users of their squared number of items.
    """
    n_items = item_indptr.size - 1
    values = np.zeros(n_items, np.float32)
    shared = np.zeros(n_items)
    candidates = np.empty(n_items, np.int32)
    found = np.empty(n_neighbours, np.int32)
    indptr = np.zeros(n_items + 1, np.int64)
    ids = np.empty(most, np.int32)
    similarities = np.empty(most, np.float32)
    total = 0
    for item in range(n_items):
        n = 0
        for at in range(item_indptr[item], item_indptr[item + 1]):
            user = item_users[at]
            if user_weights[user] <= 0.0:  # "not yet met" is told by a sum of 0
                continue
            for event in range(user_indptr[user], user_indptr[user + 1]):
                other = user_items[event]
                if shared[other] == 0.0:
                    candidates[n] = other
                    n += 1
                shared[other] += user_weights[user]
        kept = 0
        for place in range(n):
            other = candidates[place]
            dot = shared[other] * item_weights[item] * item_weights[other]
            shared[other] = 0.0
            if is_union:
                divisor = left[item] + right[other] - dot + shrinkage
            else:
                divisor = left[item] * right[other] + shrinkage
            if other != item and dot > 0.0:
                values[other] = dot / divisor
                candidates[kept] = other
                kept += 1
        n_found = _best(values, candidates, kept, n_neighbours, found)
        for place in range(n_found):
            ids[total] = found[place]
            similarities[total] = values[found[place]]
            total += 1
        indptr[item + 1] = total
    return indptr, ids[:total].copy(), similarities[:total].copy()


@numba.njit(numba.int64(I64, I32, F32, F32, I64, I32, I32, F32, I32, numba.int64, I64), cache=True)
def _accumulate(
    indptr: IntArray,
    ids: Int32Array,
    weights: FloatArray,
    offsets: FloatArray,
    history: IntArray,
    met: Int32Array,
    marks: Int32Array,
    sums: FloatArray,
    touched: Int32Array,
    mark: int,
    work: IntArray,
) -> int:
    """Sum the lists of a history's items into ``sums``; return how many items were touched.

    An item that the history repeats counts once. ``met`` and ``marks`` hold the number of the
    last query that saw, or touched, an item; so nothing is cleared between queries.
    """
    n = 0
    for seen in history:
        if met[seen] == mark:
            continue
        met[seen] = mark
        work[0] += indptr[seen + 1] - indptr[seen]
        for at in range(indptr[seen], indptr[seen + 1]):
            item = ids[at]
            if marks[item] != mark:
                marks[item] = mark
                sums[item] = offsets[item]
                touched[n] = item
                n += 1
            sums[item] += weights[at]
    work[1] += n
    return n


@numba.njit(
    numba.void(I64, I32, F32, F32, I32, I64, I64, I64, I64, I64_2D, F32_2D, I64), cache=True
)
def search_lists(
    indptr: IntArray,
    ids: Int32Array,
    weights: FloatArray,
    offsets: FloatArray,
    others: Int32Array,
    history_indptr: IntArray,
    history: IntArray,
    hidden_indptr: IntArray,
    hidden: IntArray,
    out_ids: IntArray,
    out_scores: FloatArray,
    work: IntArray,
) -> None:
    """Write the best of each query into padded ``out_ids`` and ``out_scores``, both (n, k).

    An item's score is its offset plus the weights of its postings in the lists of the history.
    ``others`` are items that may be returned untouched, best offset first; empty: none may.
    ``work`` grows by the postings read and the items scored.
    """
    n_items, k = offsets.size, out_ids.shape[1]
    met, marks, banned = (
        np.zeros(n_items, np.int32),
        np.zeros(n_items, np.int32),
        np.zeros(n_items, np.int32),
    )
    sums = np.empty(n_items, np.float32)
    touched = np.empty(n_items, np.int32)
    found = np.empty(k, np.int32)
    for query in range(out_ids.shape[0]):
        mark = query + 1
        for at in range(hidden_indptr[query], hidden_indptr[query + 1]):
            banned[hidden[at]] = mark
        seen = history[history_indptr[query] : history_indptr[query + 1]]
        n_touched = _accumulate(
            indptr, ids, weights, offsets, seen, met, marks, sums, touched, mark, work
        )
        n = 0
        for place in range(n_touched):
            if banned[touched[place]] != mark:
                touched[n] = touched[place]
                n += 1
        room = k
        for item in others:
            if room == 0:
                break
            if marks[item] != mark and banned[item] != mark:
                sums[item] = offsets[item]
                touched[n] = item
                n += 1
                room -= 1
        n_found = _best(sums, touched, n, k, found)
        for place in range(n_found):
            out_ids[query, place] = found[place]
            out_scores[query, place] = sums[found[place]]


@numba.njit(numba.void(I64, I32, F32, F32, I64, I64, I64, F32_2D), cache=True)
def score_lists(
    indptr: IntArray,
    ids: Int32Array,
    weights: FloatArray,
    offsets: FloatArray,
    history_indptr: IntArray,
    history: IntArray,
    item_ids: IntArray,
    scores: FloatArray,
) -> None:
    """Overwrite ``scores`` (n, n_item_ids) where an item is touched, with the sum `search` has."""
    n_items = offsets.size
    met, marks = np.zeros(n_items, np.int32), np.zeros(n_items, np.int32)
    sums = np.empty(n_items, np.float32)
    touched = np.empty(n_items, np.int32)
    work = np.zeros(2, np.int64)
    for query in range(scores.shape[0]):
        mark = query + 1
        seen = history[history_indptr[query] : history_indptr[query + 1]]
        _accumulate(indptr, ids, weights, offsets, seen, met, marks, sums, touched, mark, work)
        for column in range(item_ids.size):
            if marks[item_ids[column]] == mark:
                scores[query, column] = sums[item_ids[column]]

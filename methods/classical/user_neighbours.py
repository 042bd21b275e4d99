"""Compiled kernel of `user_knn`: a query's nearest training users, and the items they have met.

Signatures are given, so that compilation happens at import (and is kept on disk), never inside a
timed search. `best_of` stands here too, because a kept compilation does not notice changes
elsewhere.
"""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray

Int32Array = npt.NDArray[np.int32]

COSINE, JACCARD, DOT = range(3)

_I, _N, _V = "int64[::1]", "int32[::1]", "float32[::1]"


@numba.njit(f"int64({_V}, {_N}, int64, int64, {_N})", cache=True)
def best_of(values: FloatArray, candidates: Int32Array, n: int, k: int, found: Int32Array) -> int:
    """Write the best k of the first n candidates, values falling, ties to the smaller id."""
    taken = candidates[:n].copy()
    if n > k:
        kth = -np.partition(-values[taken], k - 1)[k - 1]
        taken = taken[values[taken] >= kth]
    taken.sort()
    order = np.argsort(-values[taken], kind="mergesort")[:k]
    found[: order.size] = taken[order]
    return order.size


@numba.njit(
    f"int64({_I}, {_N}, {_I}, {_N}, {_V}, {_I}, int64, int64, int64, float64, float64,"
    f"{_V}, {_N}, {_V}, {_N}, int64, {_N}, {_N}, {_I})",
    cache=True,
)
def _sum_neighbours(
    user_indptr: IntArray,
    user_items: Int32Array,
    item_indptr: IntArray,
    item_users: Int32Array,
    item_weights: FloatArray,
    history: IntArray,
    own: int,
    n_neighbours: int,
    similarity: int,
    shrinkage: float,
    power: float,
    near: FloatArray,
    users: Int32Array,
    sums: FloatArray,
    marks: Int32Array,
    mark: int,
    items: Int32Array,
    found: Int32Array,
    work: IntArray,
) -> int:
    """Sum the neighbours' similarities into ``sums``; return how many ``items`` have one.

    An item has one where ``marks`` holds the query's ``mark``: the sum may be 0, for a similarity
    to a high power is. ``near`` is 0 everywhere before and after. ``history`` is distinct. The
    first half of ``item_weights`` are the items' own, the second half holds the users' norms.
    """
    n_items = item_indptr.size - 1
    n, norm = 0, np.float32(0.0)
    for item in history:
        weight = item_weights[item]
        if weight <= 0.0:
            continue
        norm += weight
        work[0] += item_indptr[item + 1] - item_indptr[item]
        for at in range(item_indptr[item], item_indptr[item + 1]):
            user = item_users[at]
            if near[user] == 0.0:
                users[n] = user
                n += 1
            near[user] += weight
    kept = 0
    for place in range(n):
        user = users[place]
        dot, other = near[user], item_weights[n_items + user]
        if user == own:
            near[user] = 0.0
            continue
        if similarity == COSINE:
            near[user] = dot / (np.sqrt(float(norm) * other) + shrinkage)
        elif similarity == JACCARD:
            near[user] = dot / (float(norm) + other - dot + shrinkage)
        users[kept] = user
        kept += 1
    n_found = best_of(near, users, kept, n_neighbours, found)
    n = 0
    for place in range(n_found):
        user = found[place]
        vote = np.float32(near[user] ** power)
        work[0] += user_indptr[user + 1] - user_indptr[user]
        for at in range(user_indptr[user], user_indptr[user + 1]):
            item = user_items[at]
            if marks[item] != mark:
                marks[item] = mark
                sums[item] = 0.0
                items[n] = item
                n += 1
            sums[item] += vote
    for place in range(kept):
        near[users[place]] = 0.0
    work[1] += n
    return n


@numba.njit(
    f"void({_I}, {_N}, {_I}, {_N}, {_V}, {_I}, {_I}, {_I}, {_I}, {_I}, int64, int64, float64,"
    f"float64, int64[:, ::1], float32[:, ::1], {_I})",
    cache=True,
    nogil=True,
)
def search_users(
    user_indptr: IntArray,
    user_items: Int32Array,
    item_indptr: IntArray,
    item_users: Int32Array,
    item_weights: FloatArray,
    history_indptr: IntArray,
    history: IntArray,
    own: IntArray,
    hidden_indptr: IntArray,
    hidden: IntArray,
    n_neighbours: int,
    similarity: int,
    shrinkage: float,
    power: float,
    out_ids: IntArray,
    out_scores: FloatArray,
    work: IntArray,
) -> None:
    """Write the best of each query into padded ``out_ids`` and ``out_scores``, both (n, k).

    ``work`` grows by the ids read in lists of users and of items, and by the items scored. The
    largest k, n_items, gives every score there is.
    """
    n_users, n_items, k = user_indptr.size - 1, item_indptr.size - 1, out_ids.shape[1]
    near, users = np.zeros(n_users, np.float32), np.empty(n_users, np.int32)
    sums, marks = np.empty(n_items, np.float32), np.zeros(n_items, np.int32)
    items = np.empty(n_items, np.int32)
    found = np.empty(max(n_neighbours, k), np.int32)
    for query in range(out_ids.shape[0]):
        seen = history[history_indptr[query] : history_indptr[query + 1]]
        n = _sum_neighbours(
            user_indptr, user_items, item_indptr, item_users, item_weights, seen, own[query],
            n_neighbours, similarity, shrinkage, power, near, users, sums, marks, query + 1, items,
            found, work,
        )  # fmt: skip
        for at in range(hidden_indptr[query], hidden_indptr[query + 1]):
            marks[hidden[at]] = 0
        kept = 0
        for place in range(n):
            if marks[items[place]] != 0:
                items[kept] = items[place]
                kept += 1
        n_found = best_of(sums, items, kept, k, found)
        for place in range(n_found):
            out_ids[query, place] = found[place]
            out_scores[query, place] = sums[found[place]]

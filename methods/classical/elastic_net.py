"""Compiled kernels of `slim`: one elastic net per item, by coordinate descent on the residual.

Signatures are given, so that compilation happens at import (and is kept on disk), never inside a
timed fit. One file, because a kept compilation does not notice changes elsewhere.
"""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray

Int32Array = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]

_I, _N, _R = "int64[::1]", "int32[::1]", "float64[::1]"
_NET = "float64, float64, boolean"


@numba.njit(f"float64({_I}, {_I}, int64, {_NET}, {_R}, {_R})", cache=True)
def _move(
    item_indptr: IntArray,
    item_users: IntArray,
    item: int,
    l1: float,
    l2: float,
    non_negative: bool,
    residual: Reals,
    weights: Reals,
) -> float:
    """Put one weight at its best, the others held; return by how much it moved.

    With n users, the residual r and the weight w it is soft(sum_u r_u + n w, l1) / (n + l2).
    """
    start, end = item_indptr[item], item_indptr[item + 1]
    before = weights[item]
    pull = (end - start) * before
    for at in range(start, end):
        pull += residual[item_users[at]]
    after = 0.0
    if pull > l1:
        after = (pull - l1) / (end - start + l2)
    elif pull < -l1 and not non_negative:
        after = (pull + l1) / (end - start + l2)
    if after != before:
        for at in range(start, end):
            residual[item_users[at]] -= after - before
        weights[item] = after
    return float(abs(after - before))


@numba.njit(f"int64({_I}, {_I}, {_I}, {_I}, int64, {_N}, {_N}, {_N}, int64, int64)", cache=True)
def _meet(
    user_indptr: IntArray,
    user_items: IntArray,
    item_indptr: IntArray,
    item_users: IntArray,
    item: int,
    shared: Int32Array,
    user_marks: Int32Array,
    candidates: Int32Array,
    n: int,
    mark: int,
) -> int:
    """Add to n candidates the items of those users of ``item`` that have no mark; return n.

    ``shared`` counts the marked users of each candidate.
    """
    for at in range(item_indptr[item], item_indptr[item + 1]):
        user = item_users[at]
        if user_marks[user] != mark:
            user_marks[user] = mark
            for event in range(user_indptr[user], user_indptr[user + 1]):
                other = user_items[event]
                if shared[other] == 0:
                    candidates[n] = other
                    n += 1
                shared[other] += 1
    return n


@numba.njit(
    f"int64({_I}, {_I}, {_I}, {_I}, int64, {_NET}, float64, int64,"
    f"{_R}, {_R}, {_N}, {_N}, {_N}, {_N}, int64[::1])",
    cache=True,
)
def _solve(
    user_indptr: IntArray,
    user_items: IntArray,
    item_indptr: IntArray,
    item_users: IntArray,
    target: int,
    l1: float,
    l2: float,
    non_negative: bool,
    tolerance: float,
    max_sweeps: int,
    residual: Reals,
    weights: Reals,
    shared: Int32Array,
    user_marks: Int32Array,
    candidates: Int32Array,
    active: Int32Array,
    n_active: IntArray,
) -> int:
    """Solve one column into ``weights``; return the sweeps made, max_sweeps + 1 if unsolved.

    Scratch is clean before and after, but for marks: ``residual``, ``weights`` and ``shared`` are
    0, though ``weights`` holds the answer at ``active[:n_active[0]]``, which the caller takes.
    """
    log = (user_indptr, user_items, item_indptr, item_users)
    mark, sweeps = target + 1, 0
    n = _meet(*log, target, shared, user_marks, candidates, 0, mark)
    for at in range(item_indptr[target], item_indptr[target + 1]):
        residual[item_users[at]] = 1.0
    is_solved = False
    while not is_solved and sweeps < max_sweeps:
        most, place, n_active[0] = 0.0, 0, 0
        while place < n:  # all that may get a weight; with signed ones their number may grow
            item = candidates[place]
            place += 1
            if item == target or (non_negative and shared[item] <= l1):
                continue
            had = weights[item] != 0.0
            moved = _move(item_indptr, item_users, item, l1, l2, non_negative, residual, weights)
            most = max(most, moved)
            if weights[item] != 0.0:
                active[n_active[0]] = item
                n_active[0] += 1
                if not (had or non_negative):
                    n = _meet(*log, item, shared, user_marks, candidates, n, mark)
        sweeps += 1
        is_solved = most <= tolerance
        while most > tolerance and sweeps < max_sweeps:
            most = 0.0
            for place in range(n_active[0]):
                moved = _move(
                    item_indptr, item_users, active[place], l1, l2, non_negative, residual, weights
                )
                most = max(most, moved)
            sweeps += 1
    residual[:] = 0.0  # also where a weight that came and went left a rounding error
    for place in range(n):
        shared[candidates[place]] = 0
    return sweeps if is_solved else max_sweeps + 1


@numba.njit(
    f"void({_I}, {_I}, {_I}, {_I}, int64, int64, int64, {_NET}, float64, int64,"
    f"int32[:, ::1], float32[:, ::1], float64[:, ::1], {_I})",
    parallel=True,
    cache=True,
)
def solve_items(
    user_indptr: IntArray,
    user_items: IntArray,
    item_indptr: IntArray,
    item_users: IntArray,
    first: int,
    end: int,
    n_chunks: int,
    l1: float,
    l2: float,
    non_negative: bool,
    tolerance: float,
    max_sweeps: int,
    out_seen: Int32Array,
    out_weights: FloatArray,
    sums: Reals,
    sweeps: IntArray,
) -> None:
    """Solve the columns first <= j < end, in chunks that threads take one by one.

    Writes the largest weights of each into row j of ``out_seen`` and ``out_weights`` (n_items,
    top_n), by absolute value, then item; of ``sums`` (n_items, 2) the sum of absolute weights, of
    all and of those kept; and its sweeps, as `_solve` counts them. Columns do not depend on the
    number of chunks.
    """
    n_users, n_items = user_indptr.size - 1, item_indptr.size - 1
    for chunk in numba.prange(n_chunks):
        residual, weights = np.zeros(n_users), np.zeros(n_items)
        shared, user_marks = np.zeros(n_items, np.int32), np.zeros(n_users, np.int32)
        candidates, active = np.empty(n_items, np.int32), np.empty(n_items, np.int32)
        n_active = np.zeros(1, np.int64)
        for target in range(first + chunk, end, n_chunks):
            sweeps[target] = _solve(
                user_indptr, user_items, item_indptr, item_users, target, l1, l2, non_negative,
                tolerance, max_sweeps, residual, weights, shared, user_marks, candidates, active,
                n_active,
            )  # fmt: skip
            found = np.sort(active[: n_active[0]])
            values = weights[found]
            order = np.argsort(-np.abs(values), kind="mergesort")
            n_kept = 0
            for place in order:
                size = abs(values[place])
                weights[found[place]] = 0.0
                sums[target, 0] += size
                if size > 0.0 and n_kept < out_seen.shape[1]:
                    out_seen[target, n_kept] = found[place]
                    out_weights[target, n_kept] = np.float32(values[place])
                    sums[target, 1] += size
                    n_kept += 1

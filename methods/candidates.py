"""Candidates: what several searches found for a query, each item once; and the best of them."""

import numba
import numpy as np

from harness.lists import FloatArray, IntArray, Lists
from harness.topk import PAD_ID, PAD_SCORE, TopK


def union_of(ids: IntArray, scores: FloatArray) -> tuple[Lists, FloatArray]:
    """Return the distinct items of each row, ascending, and the highest score of each.

    Parameters
    ----------
    ids : int64 (n, m), pads among them.
    scores : float32 (n, m).

    Returns
    -------
    Lists of n rows, and float32 (number of ids together).

    >>> found, best = union_of(np.array([[7, 3, -1, 7]]), np.array([[1, 2, 0, 4]], np.float32))
    >>> found.ids.tolist(), best.tolist()
    ([3, 7], [2.0, 4.0])
    """
    given = np.ascontiguousarray(ids), np.ascontiguousarray(scores)
    return _as_lists(*_union(*given))


def best_of(candidates: Lists, scores: FloatArray, k: int) -> TopK:
    """Return the k best candidates of each row by the tie rule, padded where there are fewer.

    Parameters
    ----------
    candidates : Lists of n rows, each ascending.
    scores : float32 (number of ids together), -inf where an item may not be returned.
    """
    ids = np.full((len(candidates), k), PAD_ID, np.int64)
    best = np.full((len(candidates), k), PAD_SCORE, np.float32)
    _best(*_writable(candidates), np.ascontiguousarray(scores), ids, best)
    return TopK(ids, best)


def _as_lists(indptr: IntArray, ids: IntArray, scores: FloatArray) -> tuple[Lists, FloatArray]:
    return Lists(indptr, ids), scores


def _writable(lists: Lists) -> tuple[IntArray, IntArray]:
    """Return the arrays of lists as the kernels take them, copied only where they are read-only."""
    indptr, ids = (np.require(one, np.int64, ["C", "W"]) for one in (lists.indptr, lists.ids))
    return indptr, ids


# With a signature numba compiles on import, so that no timed search pays for it.
_V, _F, _I, _S = "int64[::1]", "float32[::1]", "int64[:,::1]", "float32[:,::1]"


@numba.njit(f"Tuple(({_V},{_V},{_F}))({_I},{_S})", cache=True, nogil=True)
def _union(ids: IntArray, scores: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    n, width = ids.shape
    indptr = np.zeros(n + 1, np.int64)
    kept, best = np.empty(n * width, np.int64), np.empty(n * width, np.float32)
    count = 0
    for row in range(n):
        order, last = np.argsort(ids[row]), PAD_ID
        for place in order:
            item, score = ids[row, place], scores[row, place]
            if item == PAD_ID:
                continue
            if item == last:
                best[count - 1] = max(best[count - 1], score)
            else:
                kept[count], best[count], last = item, score, item
                count += 1
        indptr[row + 1] = count
    return indptr, kept[:count].copy(), best[:count].copy()


@numba.njit(f"void({_V},{_V},{_F},{_I},{_S})", cache=True, nogil=True)
def _best(
    indptr: IntArray, candidates: IntArray, scores: FloatArray, ids: IntArray, best: FloatArray
) -> None:
    for row in range(ids.shape[0]):
        start = indptr[row]
        # stable, so that equal scores stay in ascending order of id
        order = np.argsort(-scores[start : indptr[row + 1]], kind="mergesort")
        count = min(order.size, ids.shape[1])
        for place in range(count):
            chosen = start + order[place]
            if scores[chosen] > PAD_SCORE:
                ids[row, place], best[row, place] = candidates[chosen], scores[chosen]

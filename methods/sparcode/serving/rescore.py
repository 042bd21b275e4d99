"""Re-score: candidates of the index, put in order by the inner product of whole vectors."""

import numba
import numpy as np

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE, TopK

_M, _I = "float32[:,::1]", "int64[:,::1]"


@numba.njit(f"{_M}({_M},{_M},{_I})", fastmath=True, cache=True, nogil=True)
def dot_scores(queries: FloatArray, items: FloatArray, candidates: IntArray) -> FloatArray:
    """Return the inner product of each query with its own candidates, (n, R); -inf for a pad.

    ``queries`` float32 (n, D), ``items`` float32 (n_items, D), ``candidates`` int64 (n, R). A
    pair's sum does not depend on the others.
    """
    out = np.empty(candidates.shape, np.float32)
    for q in range(candidates.shape[0]):
        for place in range(candidates.shape[1]):
            item = candidates[q, place]
            if item == PAD_ID:
                out[q, place] = -np.inf
                continue
            total = np.float32(0.0)
            for d in range(queries.shape[1]):
                total += queries[q, d] * items[item, d]
            out[q, place] = total
    return out


def best_of(candidates: IntArray, scores: FloatArray, k: int) -> TopK:
    """Return the k best candidates by new scores, ties to the smaller id; pads come last.

    ``candidates`` int64 and ``scores`` float32, (n, R); what k exceeds R by is pads. Each candidate
    moves to its place among the k best so far: about R + k^2 / 2 steps a query where candidates
    come with good ones first.
    """
    ids = np.full((len(candidates), k), PAD_ID, np.int64)
    values = np.full((len(candidates), k), PAD_SCORE, np.float32)
    _insert(candidates, scores, ids, values)
    return TopK(ids, values)


@numba.njit(f"({_I},{_M},{_I},{_M})", cache=True, nogil=True)
def _insert(candidates: IntArray, scores: FloatArray, ids: IntArray, values: FloatArray) -> None:
    """Fill ``ids`` and ``values`` (n, k), which hold pads."""
    k = ids.shape[1]
    for q in range(candidates.shape[0] if k else 0):
        held = 0
        for place in range(candidates.shape[1]):
            item, score = candidates[q, place], scores[q, place]
            if item == PAD_ID:
                continue
            last = values[q, k - 1]
            if held == k and (score < last or (score == last and item > ids[q, k - 1])):
                continue
            at = min(held, k - 1)
            held = min(held + 1, k)
            while at > 0:
                before = values[q, at - 1]
                if before > score or (before == score and ids[q, at - 1] < item):
                    break
                ids[q, at], values[q, at] = ids[q, at - 1], before
                at -= 1
            ids[q, at], values[q, at] = item, score

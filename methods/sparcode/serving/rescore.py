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
    """Return the k best candidates by new scores, ties to the smaller id; pads stay last."""
    values = np.where(candidates == PAD_ID, np.float32(PAD_SCORE), scores)
    ids = np.where(candidates == PAD_ID, np.iinfo(np.int64).max, candidates)
    order = np.lexsort((ids, -values), axis=1)[:, :k]
    found = np.take_along_axis(candidates, order, axis=1)
    return TopK(found, np.take_along_axis(values, order, axis=1).astype(np.float32))

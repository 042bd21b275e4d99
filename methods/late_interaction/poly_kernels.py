"""Compiled code of the poly-encoder: candidates of several vectors, each once, and their scores."""

import numba
import numpy as np

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID

_F2, _F3, _L2, _L3 = "float32[:,::1]", "float32[:,:,::1]", "int64[:,::1]", "int64[:,:,::1]"


@numba.njit(fastmath={"contract", "reassoc"}, cache=True, nogil=True)
def _dot(left: FloatArray, i: int, right: FloatArray, j: int) -> np.float32:
    total = np.float32(0.0)
    for d in range(left.shape[1]):
        total += left[i, d] * right[j, d]
    return total


@numba.njit(f"void({_L3},{_L2})", cache=True, nogil=True, parallel=True)
def merge_candidates(found: IntArray, out: IntArray) -> None:
    """Write the items that any vector of a query found, ascending, -1 behind them.

    ``found`` int64 (n, m, c), -1 for a pad; ``out`` (n, m * c).
    """
    for q in numba.prange(found.shape[0]):
        ids, count = np.sort(found[q].copy().reshape(-1)), 0
        for at in range(ids.size):
            if ids[at] != PAD_ID and (count == 0 or ids[at] != out[q, count - 1]):
                out[q, count] = ids[at]
                count += 1
        out[q, count:] = PAD_ID


@numba.njit(f"void({_F3},{_L2},{_F2},{_F2})", cache=True, nogil=True, parallel=True)
def score_candidates(
    queries: FloatArray, ids: IntArray, items: FloatArray, out: FloatArray
) -> None:
    """Write the scores of queries (n, m, d) with items of their own, (n, c); -inf of a pad.

    A pair's score does not depend on the others. See `methods.late_interaction.poly`.
    """
    for q in numba.prange(queries.shape[0]):
        vectors = queries[q]
        products = np.empty(vectors.shape[0], np.float32)
        for column in range(ids.shape[1]):
            item = ids[q, column]
            if item == PAD_ID:
                out[q, column] = -np.inf
                continue
            for i in range(products.size):
                products[i] = _dot(vectors, i, items, item)
            top, total, sums = products.max(), np.float32(0.0), np.float32(0.0)
            for i in range(products.size):
                weight = np.exp(products[i] - top)
                total += weight * products[i]
                sums += weight
            out[q, column] = total / sums

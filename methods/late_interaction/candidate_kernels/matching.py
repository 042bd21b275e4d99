"""Matching: a product of two tokens, the best cells of a token, the best items of a query."""

from typing import Final

import numba
import numpy as np

from harness.arrays import Array
from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID
from methods.compiling import into_callers

HIDDEN: Final = -1  # in `touched`: may not be a candidate
N_WORK: Final = 3  # of a block: centroids compared, tokens looked at, items that were candidates

F1, F2, F3 = "float32[::1]", "float32[:,::1]", "float32[:,:,::1]"
I1, I2, L1, L2 = "int32[::1]", "int32[:,::1]", "int64[::1]", "int64[:,::1]"
LISTS = "Array(int64, 1, 'C', readonly=True)"


@numba.njit(fastmath={"contract", "reassoc"}, nogil=True)
def dot(left: FloatArray, i: int, right: FloatArray, j: int) -> np.float32:
    """Return the inner product of left[i] and right[j]."""
    total = np.float32(0.0)
    for d in range(left.shape[1]):
        total += left[i, d] * right[j, d]
    return total


@into_callers
def is_there(tokens: FloatArray, t: int) -> bool:
    """Return whether a query has token t: it is not all zeros."""
    for d in range(tokens.shape[1]):  # noqa: SIM110  numba compiles no generator
        if tokens[t, d] != 0:
            return True
    return False


@into_callers
def best_cells(scores: FloatArray, t: int, cells: IntArray, values: FloatArray) -> None:
    """Write the cells of the largest scores[t], as many as ``cells`` takes, best first."""
    count, wanted = 0, cells.size
    for cell in range(scores.shape[1]):
        score = scores[t, cell]
        if wanted == scores.shape[1]:  # all: their order means nothing
            cells[cell], values[cell] = cell, score
            continue
        if count == wanted and score <= values[count - 1]:
            continue
        at = min(count, wanted - 1)
        count = min(count + 1, wanted)
        while at > 0 and values[at - 1] < score:
            cells[at], values[at] = cells[at - 1], values[at - 1]
            at -= 1
        cells[at], values[at] = cell, score


@into_callers
def keep_best(found: Array, scores: FloatArray, count: int, wanted: int) -> int:
    """Keep the ``wanted`` best of the first ``count`` pairs, in their order; return how many."""
    if count <= wanted:
        return count
    floor = np.partition(scores[:count], count - wanted)[count - wanted]
    ties = wanted
    for at in range(count):
        ties -= scores[at] > floor
    kept = 0
    for at in range(count):
        if scores[at] < floor or (scores[at] == floor and ties == 0):
            continue
        ties -= scores[at] == floor
        found[kept], scores[kept] = found[at], scores[at]
        kept += 1
    return kept


@into_callers
def write_ids(found: Array, count: int, out: IntArray) -> None:
    """Write the first ``count`` of ``found``, -1 behind them."""
    for at in range(out.size):
        out[at] = found[at] if at < count else PAD_ID

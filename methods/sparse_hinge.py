"""Hinge over scores of which few exceed the margin: found in one pass, with their gradients."""

from typing import Any

import numba
import numpy as np
from torch import Tensor

from harness.lists import FloatArray, IntArray

CHUNK = 64  # scores whose largest is looked at first
# Above this share of scores beyond the margin, products of matrices are faster: a pair costs as
# much as some tens of multiply-adds of a product, of which there are two.
FEW = 1 / 16


def add_above(
    scores: Tensor,
    pairs: tuple[Tensor, Tensor],
    margin: float,
    vectors: tuple[Tensor, Tensor],
    gradients: tuple[Tensor, Tensor],
    n: int,
) -> tuple[float, int]:
    """Add the gradients of a block's hinge to ``gradients``; return its loss, and the pairs above.

    The loss is the sum over the b rows of the mean of max(0, score - margin) over the items that
    count, divided by ``n``. All are on the CPU, contiguous, of one dtype, float32 or float64; one
    thread works, in the order of rows.

    Parameters
    ----------
    scores : (b, m), the products of the vectors; those of ``pairs`` become -inf.
    pairs : rows and columns, int64 (p,), that do not count; a pair may be named twice.
    vectors : queries (b, d) and items (m, d).
    gradients : of both, of the same shapes.
    """
    rows, columns = (one.numpy() for one in pairs)
    arrays = (one.detach().numpy() for one in (*vectors, *gradients))
    loss, n_above = _add_above(scores.numpy(), rows, columns, margin, n, *arrays)
    return float(loss), int(n_above)


def _signatures() -> list[str]:
    """Return those of both precisions; rows of a block are not always a table of their own."""
    return [
        f"Tuple((float64,int64))({f}[:,::1],int64[:],int64[:],float64,int64"
        f",{f}[:,::1],{f}[:,::1],{f}[:,::1],{f}[:,::1])"
        for f in ("float32", "float64")
    ]


# Largest of a chunk: its order does not matter, so it may become vector instructions.
@numba.njit(
    ["boolean(float32[::1],float32)", "boolean(float64[::1],float64)"],
    cache=True,
    nogil=True,
    fastmath={"nnan", "nsz", "reassoc"},
)
def _any_above(chunk: FloatArray, margin: float) -> Any:
    n_above = 0
    for place in range(chunk.size):
        n_above += chunk[place] > margin
    return n_above > 0


@numba.njit(_signatures(), cache=True, nogil=True)
def _add_above(
    scores: FloatArray,
    rows: IntArray,
    columns: IntArray,
    margin: float,
    n: int,
    queries: FloatArray,
    items: FloatArray,
    of_queries: FloatArray,
    of_items: FloatArray,
) -> Any:
    """See `add_above`."""
    b, m = scores.shape
    d = queries.shape[1]
    bound: Any = scores.dtype.type(margin)
    kept = np.full(b, m, np.int64)
    for pair in range(rows.size):
        row, column = rows[pair], columns[pair]
        if scores[row, column] > -np.inf:
            scores[row, column] = -np.inf
            kept[row] -= 1
    loss: Any = 0.0
    n_above = 0
    for row in range(b):
        share = scores.dtype.type(1.0 / (n * max(kept[row], 1)))
        above: Any = 0.0
        for start in range(0, m, CHUNK):
            end = min(start + CHUNK, m)
            if not _any_above(scores[row, start:end], bound):
                continue
            for column in range(start, end):
                if scores[row, column] > bound:
                    above += scores[row, column] - bound
                    n_above += 1
                    for k in range(d):
                        of_queries[row, k] += share * items[column, k]
                        of_items[column, k] += share * queries[row, k]
        loss += above * share
    return loss, n_above

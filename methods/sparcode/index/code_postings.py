"""Posting lists of codewords over given vectors: the best items of each code, in bounded memory."""

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt

from harness.errors import MethodError
from harness.lists import FloatArray, IntArray
from methods.sparcode.index.postings import Postings

BLOCK_SCORES = 1 << 24  # inner products held at once: 64 MB
Report = Callable[[int, int], None]
Int32Array = npt.NDArray[np.int32]


def best_postings(
    codewords: FloatArray, vectors: FloatArray, n_kept: int, report: Report
) -> Postings:
    """Return for each codeword the ``n_kept`` items of the largest positive inner product.

    Ties at the end of a list go to the smaller id. Every inner product is computed once, in blocks;
    of each code at most 2 * ``n_kept`` candidates are held, and no list is ever sorted whole.

    Parameters
    ----------
    codewords, vectors : float32 (n_codes, dim), (n_items, dim).

    Raises
    ------
    MethodError
        A vector or a codeword holds what is no finite number.
    """
    for name, given in (("codewords", codewords), ("vectors", vectors)):
        if not np.isfinite(given).all():
            raise MethodError(f"{name} hold NaN or infinite numbers, whose products have no order")
    n_codes, n_items = len(codewords), len(vectors)
    values = np.empty((n_codes, 2 * n_kept), np.float32)
    ids = np.empty(values.shape, np.int32)
    counts = np.zeros(n_codes, np.int64)
    bars = np.zeros(n_codes, np.float32)
    columns = max(1, BLOCK_SCORES // n_codes)
    for start in range(0, n_items, columns):
        block = codewords @ vectors[start : start + columns].T  # (n_codes, columns)
        _offer(np.ascontiguousarray(block), start, values, ids, counts, bars, n_kept)
        report(min(start + columns, n_items), n_items)
    _finish(values, ids, counts, n_kept)
    kept = np.arange(2 * n_kept) < counts[:, None]
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Postings(starts, ids[kept], values[kept])


# With signatures numba compiles on import, so that no timed build or search pays for it.
_M, _I, _V, _L = "float32[:,::1]", "int32[:,::1]", "float32[::1]", "int64[::1]"


@numba.njit(f"float32({_V},int32[::1],int64,int64)", cache=True, nogil=True)
def _compress(values: FloatArray, ids: Int32Array, count: int, n_kept: int) -> np.float32:
    """Keep the best of ``count`` entries at the front, order kept; return the least of them."""
    bar = np.partition(values[:count], count - n_kept)[count - n_kept]
    room = n_kept  # for entries at the bar
    for place in range(count):
        if values[place] > bar:
            room -= 1
    kept = 0
    for place in range(count):
        at_bar = values[place] == bar and room > 0
        if values[place] > bar or at_bar:
            room -= at_bar
            values[kept], ids[kept] = values[place], ids[place]
            kept += 1
    return np.float32(bar)


@numba.njit(f"void({_M},int64,{_M},{_I},{_L},{_V},int64)", parallel=True, cache=True)
def _offer(
    block: FloatArray,
    first: int,
    values: FloatArray,
    ids: Int32Array,
    counts: IntArray,
    bars: FloatArray,
    n_kept: int,
) -> None:
    """Offer items first, first + 1, ... to every code; only what is above its bar is looked at.

    Items come in ascending order, so an entry equal to the bar has a larger id and loses.
    """
    for code in numba.prange(block.shape[0]):
        count, bar = counts[code], bars[code]
        for column in range(block.shape[1]):
            value = block[code, column]
            if value > bar:
                values[code, count] = value
                ids[code, count] = first + column
                count += 1
                if count == values.shape[1]:
                    bar = _compress(values[code], ids[code], count, n_kept)
                    count = n_kept
        counts[code], bars[code] = count, bar


@numba.njit(f"void({_M},{_I},{_L},int64)", cache=True)
def _finish(values: FloatArray, ids: Int32Array, counts: IntArray, n_kept: int) -> None:
    for code in range(counts.size):
        if counts[code] > n_kept:
            _compress(values[code], ids[code], counts[code], n_kept)
            counts[code] = n_kept


@numba.njit(f"int64[:,::1]({_M},{_M},int64)", fastmath=True, cache=True, nogil=True)
def nearest_codes(queries: FloatArray, codewords: FloatArray, n_nearest: int) -> IntArray:
    """Return the codewords of the largest inner products, best first, int64 (n, n_nearest).

    Ties go to the smaller code. A pair's sum does not depend on the other queries of the call.
    """
    n_codes = codewords.shape[0]
    found = np.empty((queries.shape[0], n_nearest), np.int64)
    best = np.empty(n_nearest, np.float32)
    for q in range(queries.shape[0]):
        count = 0
        for code in range(n_codes):
            dot = np.float32(0.0)
            for d in range(codewords.shape[1]):
                dot += queries[q, d] * codewords[code, d]
            if count == n_nearest and not dot > best[count - 1]:
                continue
            place = count if count < n_nearest else count - 1
            while place > 0 and dot > best[place - 1]:
                best[place], found[q, place] = best[place - 1], found[q, place - 1]
                place -= 1
            best[place], found[q, place] = dot, code
            count = min(count + 1, n_nearest)
    return found

"""Entry points of the kernel: rows, means and projections of fields; vectors; tokens and codes."""

import time

import numpy as np
from numba import types

from harness.lists import FloatArray, IntArray
from methods.compiling import compiled_s, f32, kept, u64
from methods.encoders.serving_kernel.codes import nearest, take_away, weigh
from methods.encoders.serving_kernel.plan import (
    DIM,
    FINE,
    FOUND,
    GIVEN,
    HIDDEN,
    KIND,
    N_HEADS,
    N_PLAN,
    NEAREST,
    OWN,
    RESIDUAL,
    WORDS,
)
from methods.encoders.serving_kernel.products import CHUNK, FOUR, add_products, copy
from methods.encoders.serving_kernel.tokens import histories, mean, perceptrons, tokens_of

_begun = time.perf_counter()
_IDS = types.Array(types.int64, 1, "A", readonly=True)
_VALUES = types.Array(types.float32, 2, "A", readonly=True)
_W, _P = types.float32[::1], types.int64[::1]
_M, _I, _T = types.float32[:, ::1], types.int64[:, ::1], types.float32[:, :, ::1]
_n = types.int64


@kept(_n(_W, _n, _n, _IDS, _T, _n))
def write_rows(
    weights: FloatArray, place: int, size: int, ids: IntArray, parts: FloatArray, part: int
) -> int:
    """Write row ids[q] of a table (size, dim) into parts[q, part]; return a wrong query or FINE."""
    for row in range(ids.size):
        if u64(ids[row]) >= u64(size):
            return row
        begin = u64(place + ids[row] * parts.shape[2])
        for j in range(u64(parts.shape[2])):
            parts[row, part, j] = weights[begin + j]
    return FINE


@kept(_n(_W, _n, _n, _IDS, _IDS, _T, _n))
def write_means(
    weights: FloatArray, place: int, size: int, indptr: IntArray, ids: IntArray, parts: FloatArray,
    part: int,
) -> int:  # fmt: skip
    """Write the mean row of each list into parts[q, part]; return a wrong query or FINE."""
    for row in range(indptr.size - 1):
        out, dim = parts[row, part], parts.shape[2]
        if not mean(weights, place, size, dim, ids, indptr[row], indptr[row + 1], out, 0):
            return row
    return FINE


@kept(types.void(_W, _n, _VALUES, _T, _n))
def write_projections(
    weights: FloatArray, place: int, values: FloatArray, parts: FloatArray, part: int
) -> None:
    """Write the product of values (n, size) and a matrix (size, dim) into parts[:, part]."""
    width = values.shape[1]
    given = np.empty(width, np.float32)
    for row in range(values.shape[0]):
        out = parts[row, part]
        for j in range(width):
            given[j] = values[row, j]
        for j in range(out.size):
            out[j] = f32(0.0)
        add_products(given, 0, width, weights, place, out.size, out, 0)


@kept(_n(_W, _P, _IDS, _IDS, _n, _T, _M))
def write_vectors(
    weights: FloatArray, plan: IntArray, indptr: IntArray, ids: IntArray, limit: int,
    parts: FloatArray, out: FloatArray,
) -> int:  # fmt: skip
    """Write the history's mean plus the perceptron's output of each query.

    Parameters
    ----------
    weights, plan : float32 (n_weights,), int64; see `Plan`.
    indptr, ids : histories, of which the last ``limit`` items count.
    parts : float32 (n, n_parts, dim), whose part 0 is written; the others are the fields'.
    out : float32 (n, dim), written.

    Returns
    -------
    A query whose history names no item, or FINE.
    """
    n, dim, step = out.shape[0], plan[DIM], parts.shape[1] * parts.shape[2]
    hidden, room = np.empty(FOUR * plan[HIDDEN], np.float32), np.empty(FOUR * CHUNK, np.float32)
    x, flat = parts.reshape(-1), out.reshape(-1)
    row = 0
    while row < n:
        rows = FOUR if n - row >= FOUR else 1
        wrong: int = histories(row, rows, weights, plan, indptr, ids, limit, x, step)
        if wrong != FINE:
            return wrong
        perceptrons(rows, weights, plan, x, row * step, step, hidden, flat, row * dim, dim, room)
        for q in range(row, row + rows):
            for j in range(u64(dim)):
                flat[u64(q * dim) + j] += x[u64(q * step) + j]
        row += rows
    return FINE


@kept(_n(_W, _P, _IDS, _IDS, _n, _T, _I, _T, _I, _M))
def write_codes(
    weights: FloatArray, plan: IntArray, indptr: IntArray, ids: IntArray, limit: int,
    parts: FloatArray, given: IntArray, tokens: FloatArray, codes: IntArray, shares: FloatArray,
) -> int:  # fmt: skip
    """Write tokens, codes over all groups and their weights.

    Parameters
    ----------
    weights, plan, indptr, ids, limit, parts : as of `write_vectors`.
    given : int64 (n, F), codes of fields below their sizes.
    tokens : float32 (n, K, dim), (n, 1, dim) of a residual tokenizer; written.
    codes, shares : int64 and float32 (n, K * J + F), written.

    Returns
    -------
    A query whose history names no item, or FINE.
    """
    n, dim, found, step = codes.shape[0], plan[DIM], plan[FOUND], parts.shape[1] * parts.shape[2]
    n_tokens, own, residual = plan[N_HEADS] + plan[OWN], plan[OWN], plan[KIND] == RESIDUAL
    hidden, room = np.empty(FOUR * plan[HIDDEN], np.float32), np.empty(FOUR * CHUNK, np.float32)
    pooled, left = np.empty(dim, np.float32), np.empty(FOUR * dim, np.float32)
    near, gaps = np.empty(FOUR * plan[WORDS], np.float32), np.empty(found, np.float64)
    values = np.empty((FOUR, 3, plan[NEAREST]), np.float32)
    numbers = np.empty((FOUR, 3, plan[NEAREST]), np.int64)
    x, flat, width = parts.reshape(-1), tokens.reshape(-1), tokens.shape[1] * tokens.shape[2]
    row = 0
    while row < n:
        rows = FOUR if n - row >= FOUR else 1
        wrong: int = histories(row, rows, weights, plan, indptr, ids, limit, x, step)
        if wrong != FINE:
            return wrong
        tokens_of(
            row, rows, weights, plan, x, step, indptr, ids, limit, pooled, hidden, flat, width, room
        )
        source, from_, apart = flat, row * width, width
        if residual:
            copy(flat, row * width, rows * dim, left, 0)
            source, from_, apart = left, 0, dim
        for token in range(n_tokens):
            book, at = plan[N_PLAN + own + token], from_ + (0 if residual else token * dim)
            start, first = plan[N_PLAN + own + n_tokens + book], token * found
            nearest(rows, weights, plan, book, source, at, apart, near, values, numbers, room)
            for q in range(rows):
                for one in range(found):
                    codes[row + q, first + one] = numbers[q, 0, one]
                place = at + q * apart
                weigh(weights, plan, book, source, place, codes, shares, row + q, first, gaps)
                if residual:
                    take_away(
                        weights, plan, book, codes, shares, row + q, first, left, place, pooled
                    )
                for one in range(found):
                    codes[row + q, first + one] += start
        first, last = n_tokens * found, plan.size - plan[GIVEN]
        for q in range(row, row + rows):
            for field in range(plan[GIVEN]):
                codes[q, first + field] = given[q, field] + plan[last + field]
                shares[q, first + field] = f32(1.0)
        row += rows
    return FINE


@kept(_n(_I, types.Array(types.int64, 1, "C", readonly=True)))
def number_lists(codes: IntArray, list_of: IntArray) -> int:
    """Put the list of each code in its place, -1 where there is none; return how many have none.

    ``list_of`` is -1 of a code without a list, and below that of one that is not to have any.
    """
    missing = 0
    for row in range(codes.shape[0]):
        for column in range(codes.shape[1]):
            found = list_of[codes[row, column]]
            codes[row, column] = max(found, -1)
            missing += found == -1
    return missing


COMPILE_S = compiled_s(_begun, write_vectors, write_codes, number_lists)  # of this process

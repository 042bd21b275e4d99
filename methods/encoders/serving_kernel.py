"""Compiled code of serving encoders: a query's history and fields to a vector, or to codes.

Every product is a chain of fused multiply-adds in the order of its inner index, side by side for
all outputs: what a query becomes has the same bits alone and in any batch, on any number of threads
and wherever its arrays lie in memory, in float32. Weights are one array and their places another
(`Plan`), for numba spends longer on taking a dozen arrays apart than on a query. Arrays of queries
may be read-only. All in one file, because a kept compilation does not notice changes elsewhere.
"""

import math
import time
from enum import IntEnum
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from harness.lists import FloatArray, IntArray
from methods.compiling import compiled_s

_begun = time.perf_counter()
HEADS, ATTENTION, RESIDUAL = range(3)  # how a history becomes tokens
FINE = -1  # no query is wrong
FOUR = 4  # queries that share a pass over the weights, where there are as many
CHUNK = 512  # outputs of four queries that are held at a time


class Plan(IntEnum):
    """Where sizes, and places of weights in their array, stand in a plan, int64.

    Behind them: the part of each token that is a field's, the book of each token, the first code of
    each book, then that of each token whose code is given.
    """

    DIM = 0
    MIXED = 1  # parts that the perceptron sees
    HIDDEN = 2
    MIXTURE = 3  # outputs of the perceptron
    TABLE = 4  # (n_items, dim), what an item brings to a history
    N_ITEMS = 5
    FIRST = 6  # (mixed * dim, hidden)
    FIRST_BIAS = 7
    SECOND = 8  # (hidden, mixture)
    SECOND_BIAS = 9
    KIND = 10  # HEADS, ATTENTION or RESIDUAL
    HEADS = 11  # tokens of the history, or levels
    OWN = 12  # tokens that are a field's
    PROJECTIONS = 13  # (heads, dim, dim)
    QUERIES = 14  # (heads, dim), of attention
    PARTS = 15  # M, parts of a token
    WORDS = 16  # N, codewords of a part
    NEAREST = 17  # J
    FOUND = 18  # codes of a token, J or all there are
    BOOKS = 19  # (books, M, N, dim / M)
    TURNED = 20  # the same as (books, M, dim / M, N)
    HALVES = 21  # (books, M, N), minus half the squared length of a codeword
    SCALES = 22  # (books,), temperatures
    GIVEN = 23  # tokens whose code is given


N_PLAN = len(Plan)
# numba reads a member of an enumeration as one; plain numbers are constants of the compiled code.
(
    _DIM, _MIXED, _HIDDEN, _MIXTURE, _TABLE, _N_ITEMS, _FIRST, _FIRST_BIAS, _SECOND, _SECOND_BIAS,
    _KIND, _N_HEADS, _OWN, _PROJECTIONS, _QUERIES, _PARTS, _WORDS, _NEAREST, _FOUND, _BOOKS,
    _TURNED, _HALVES, _SCALES, _GIVEN,
) = (int(one) for one in Plan)  # fmt: skip

Number = Any  # of a width that only numba tells apart; unsigned ones index without a check
u64: Number = np.uint64
f32: Number = np.float32
f64: Number = np.float64
_intrinsic: Any = intrinsic  # untyped: it takes the typing context, its caller does not
_CHUNK, _CHUNK_2, _CHUNK_3 = u64(CHUNK), u64(2 * CHUNK), u64(3 * CHUNK)
_compiled = numba.njit(nogil=True)  # into its callers; the entry points are kept on disk


@_intrinsic
def _fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), code


@_compiled
def _copy(source: FloatArray, begin: Number, size: Number, out: FloatArray, at: Number) -> None:
    for j in range(u64(size)):
        out[u64(at) + j] = source[u64(begin) + j]


@_compiled
def _add_products(
    x: FloatArray, x_at: Number, n_in: Number, weights: FloatArray, place: Number, n_out: Number,
    out: FloatArray, out_at: Number,
) -> None:  # fmt: skip
    """Add x @ W to out, W (n_in, n_out) from ``place`` on, its rows in order, four in one pass."""
    x_at, out_at, w, width = u64(x_at), u64(out_at), u64(place), u64(n_out)
    whole = u64(n_in) & ~u64(3)
    for i in range(u64(0), whole, u64(4)):
        x0, x1, x2, x3 = x[x_at + i], x[x_at + i + 1], x[x_at + i + 2], x[x_at + i + 3]
        w1, w2, w3 = w + width, w + width + width, w + width + width + width
        for j in range(width):
            total = _fma(x0, weights[w + j], out[out_at + j])
            total = _fma(x1, weights[w1 + j], total)
            total = _fma(x2, weights[w2 + j], total)
            out[out_at + j] = _fma(x3, weights[w3 + j], total)
        w = w3 + width
    for i in range(whole, u64(n_in)):
        x0 = x[x_at + i]
        for j in range(width):
            out[out_at + j] = _fma(x0, weights[w + j], out[out_at + j])
        w += width


@_compiled
def _add_products_of_four(
    x: FloatArray, x_at: Number, x_step: Number, n_in: Number, weights: FloatArray, place: Number,
    n_out: Number, out: FloatArray, out_at: Number, out_step: Number, room: FloatArray,
) -> None:  # fmt: skip
    """Do as `_add_products` for four queries, whose x and out lie a step apart, to the same bits.

    In ``room``, float32 (4 * CHUNK,), rows lie a constant apart: so it is known that writing one
    changes no other, and all outputs are worked on side by side.
    """
    for first in range(0, n_out, CHUNK):
        size = min(CHUNK, n_out - first)
        for q in range(FOUR):
            _copy(out, out_at + q * out_step + first, size, room, q * CHUNK)
        for i in range(0, n_in & ~1, 2):
            at = x_at + i
            a0, a1, b0, b1 = x[at], x[at + x_step], x[at + 1], x[at + x_step + 1]
            at += 2 * x_step
            a2, a3, b2, b3 = x[at], x[at + x_step], x[at + 1], x[at + x_step + 1]
            row_a = u64(place + i * n_out + first)
            row_b = row_a + u64(n_out)
            for j in range(u64(size)):
                wa, wb = weights[row_a + j], weights[row_b + j]
                room[j] = _fma(b0, wb, _fma(a0, wa, room[j]))
                room[_CHUNK + j] = _fma(b1, wb, _fma(a1, wa, room[_CHUNK + j]))
                room[_CHUNK_2 + j] = _fma(b2, wb, _fma(a2, wa, room[_CHUNK_2 + j]))
                room[_CHUNK_3 + j] = _fma(b3, wb, _fma(a3, wa, room[_CHUNK_3 + j]))
        if n_in & 1:
            row_a = u64(place + (n_in - 1) * n_out + first)
            for q in range(FOUR):
                a0, begin = x[x_at + q * x_step + n_in - 1], u64(q * CHUNK)
                for j in range(u64(size)):
                    room[begin + j] = _fma(a0, weights[row_a + j], room[begin + j])
        for q in range(FOUR):
            _copy(room, q * CHUNK, size, out, out_at + q * out_step + first)


@_compiled
def _products(
    rows: Number, x: FloatArray, x_at: Number, x_step: Number, n_in: Number, weights: FloatArray,
    place: Number, n_out: Number, out: FloatArray, out_at: Number, out_step: Number,
    room: FloatArray,
) -> None:  # fmt: skip
    """Add x @ W to out for ``rows`` queries, whose x and out lie a step apart."""
    if rows == FOUR:
        _add_products_of_four(
            x, x_at, x_step, n_in, weights, place, n_out, out, out_at, out_step, room
        )
        return
    for q in range(rows):
        _add_products(x, x_at + q * x_step, n_in, weights, place, n_out, out, out_at + q * out_step)


@_compiled
def _mean(
    weights: FloatArray, place: Number, size: Number, dim: Number, ids: IntArray, begin: Number,
    end: Number, out: FloatArray, at: Number,
) -> bool:  # fmt: skip
    """Write the mean of the rows ids[begin:end] of a table (size, dim); zeros of none.

    Returns whether every id is below ``size``.
    """
    at, width, place = u64(at), u64(dim), u64(place)
    for j in range(width):
        out[at + j] = f32(0.0)
    for where in range(begin, end):
        if u64(ids[where]) >= u64(size):
            return False
    where = begin
    while where + 8 <= end:
        r0, r1 = place + u64(ids[where]) * width, place + u64(ids[where + 1]) * width
        r2, r3 = place + u64(ids[where + 2]) * width, place + u64(ids[where + 3]) * width
        r4, r5 = place + u64(ids[where + 4]) * width, place + u64(ids[where + 5]) * width
        r6, r7 = place + u64(ids[where + 6]) * width, place + u64(ids[where + 7]) * width
        for j in range(width):
            total = out[at + j] + weights[r0 + j]
            total = ((total + weights[r1 + j]) + weights[r2 + j]) + weights[r3 + j]
            total = ((total + weights[r4 + j]) + weights[r5 + j]) + weights[r6 + j]
            out[at + j] = total + weights[r7 + j]
        where += 8
    for rest in range(where, end):
        r0 = place + u64(ids[rest]) * width
        for j in range(width):
            out[at + j] += weights[r0 + j]
    if end > begin:
        count = f32(end - begin)
        for j in range(width):
            out[at + j] /= count
    return True


@_compiled
def _perceptrons(
    rows: Number, weights: FloatArray, plan: IntArray, x: FloatArray, x_at: Number, x_step: Number,
    hidden: FloatArray, out: FloatArray, out_at: Number, out_step: Number, room: FloatArray,
) -> None:  # fmt: skip
    """Write the perceptron's outputs for the parts ``x`` of some queries."""
    n_in, n_hidden, n_out = plan[_MIXED] * plan[_DIM], plan[_HIDDEN], plan[_MIXTURE]
    for q in range(rows):
        _copy(weights, plan[_FIRST_BIAS], n_hidden, hidden, q * n_hidden)
        _copy(weights, plan[_SECOND_BIAS], n_out, out, out_at + q * out_step)
    first, second = plan[_FIRST], plan[_SECOND]
    _products(rows, x, x_at, x_step, n_in, weights, first, n_hidden, hidden, 0, n_hidden, room)
    for j in range(rows * n_hidden):
        hidden[j] = max(hidden[j], f32(0.0))
    _products(
        rows, hidden, 0, n_hidden, n_hidden, weights, second, n_out, out, out_at, out_step, room
    )


@_compiled
def _dot(a: FloatArray, a_at: Number, b: FloatArray, b_at: Number, dim: Number) -> Number:
    """Return an inner product: four chains, then their sum."""
    s0 = s1 = s2 = s3 = f32(0.0)
    a_at, b_at, whole = u64(a_at), u64(b_at), u64(dim) & ~u64(3)
    for j in range(u64(0), whole, u64(4)):
        s0 = _fma(a[a_at + j], b[b_at + j], s0)
        s1 = _fma(a[a_at + j + 1], b[b_at + j + 1], s1)
        s2 = _fma(a[a_at + j + 2], b[b_at + j + 2], s2)
        s3 = _fma(a[a_at + j + 3], b[b_at + j + 3], s3)
    for j in range(whole, u64(dim)):
        s0 = _fma(a[a_at + j], b[b_at + j], s0)
    return (s0 + s1) + (s2 + s3)


@_compiled
def _attend(
    weights: FloatArray, plan: IntArray, head: Number, ids: IntArray, begin: Number, end: Number,
    pooled: FloatArray,
) -> None:  # fmt: skip
    """Write the mean of the history as one head's query weighs it; zeros of none."""
    dim = plan[_DIM]
    for j in range(dim):
        pooled[j] = f32(0.0)
    if end == begin:
        return
    shares, root, most = np.empty(end - begin, np.float64), math.sqrt(dim), -math.inf
    query = plan[_QUERIES] + head * dim
    for at in range(end - begin):
        row = plan[_TABLE] + ids[begin + at] * dim
        shares[at] = f64(_dot(weights, row, weights, query, dim)) / root
        most = max(most, shares[at])
    total = 0.0
    for at in range(end - begin):
        shares[at] = math.exp(shares[at] - most)
        total += shares[at]
    for at in range(end - begin):
        share, row = f32(shares[at] / total), u64(plan[_TABLE] + ids[begin + at] * dim)
        for j in range(u64(dim)):
            pooled[j] = _fma(share, weights[row + j], pooled[j])


@_compiled
def _insert(value: Number, number: Number, room: Number, count: Number, values: FloatArray,
            numbers: IntArray) -> Number:  # fmt: skip
    """Put a value into the ``count`` best, falling, earlier ones first; return the new count."""
    at = count if count < room else count - 1
    while at > 0 and values[at - 1] < value:
        values[at], numbers[at] = values[at - 1], numbers[at - 1]
        at -= 1
    values[at], numbers[at] = value, number
    return min(count + 1, room)


@_compiled
def _best(
    near: FloatArray, begin: Number, n: Number, room: Number, values: FloatArray, numbers: IntArray
) -> None:
    """Write the ``room`` largest of ``n`` values, falling, and where they stand."""
    count = 0
    for word in range(n):
        value = near[u64(begin) + u64(word)]
        if count < room or value > values[count - 1]:
            count = _insert(value, word, room, count, values, numbers)


@_compiled
def _nearest(
    rows: Number, weights: FloatArray, plan: IntArray, book: Number, tokens: FloatArray,
    at: Number, step: Number, near: FloatArray, values: FloatArray, numbers: IntArray,
    room: FloatArray,
) -> None:  # fmt: skip
    """Write the composite numbers of some tokens' nearest codes into numbers[q, 0].

    What is largest is <x, c> - |c|^2 / 2, half of |x|^2 - |x - c|^2, summed over parts; of equal
    sums the earlier tuple is the nearer. Rows 1 and 2 of ``values[q]`` and ``numbers[q]`` are room
    for a part's codewords and for the new tuples.
    """
    n_parts, words = plan[_PARTS], plan[_WORDS]
    width, few, count = plan[_DIM] // n_parts, min(plan[_NEAREST], words), 0
    for part in range(n_parts):
        slot = book * n_parts + part
        for q in range(rows):
            _copy(weights, plan[_HALVES] + slot * words, words, near, q * words)
        turned, x = plan[_TURNED] + slot * width * words, at + part * width
        _products(rows, tokens, x, step, width, weights, turned, words, near, 0, words, room)
        into = 0 if part == 0 else 1
        for q in range(rows):
            _best(near, q * words, words, few, values[q, into], numbers[q, into])
            if part > 0:
                _combine(count, few, plan, values[q], numbers[q])
        count = few if part == 0 else min(plan[_NEAREST], count * few)


@_compiled
def _combine(
    count: Number, few: Number, plan: IntArray, values: FloatArray, numbers: IntArray
) -> None:
    """Put the best tuples of ``count`` old ones and ``few`` codewords in the old ones' place."""
    room, found = min(plan[_NEAREST], count * few), 0
    for old in range(count):
        for new in range(few):
            value = values[0, old] + values[1, new]
            if found < room or value > values[2, found - 1]:
                number = numbers[0, old] * plan[_WORDS] + numbers[1, new]
                found = _insert(value, number, room, found, values[2], numbers[2])
    for at in range(room):
        values[0, at], numbers[0, at] = values[2, at], numbers[2, at]


@_compiled
def _word(plan: IntArray, book: Number, code: Number, part: Number) -> Number:
    """Return where the codeword of one part of a composite number begins."""
    n_parts, words = plan[_PARTS], plan[_WORDS]
    for _ in range(n_parts - 1 - part):
        code //= words
    slot = book * n_parts + part
    return plan[_BOOKS] + (slot * words + code % words) * (plan[_DIM] // n_parts)


@_compiled
def _gap(
    weights: FloatArray, plan: IntArray, book: Number, code: Number, token: FloatArray, at: Number
) -> Number:
    """Return the squared distance of a token to a code."""
    width, s0, s1, s2, s3 = plan[_DIM] // plan[_PARTS], f32(0.0), f32(0.0), f32(0.0), f32(0.0)
    whole = u64(width) & ~u64(3)
    for part in range(plan[_PARTS]):
        word, x = u64(_word(plan, book, code, part)), u64(at + part * width)
        for j in range(u64(0), whole, u64(4)):
            d0, d1 = token[x + j] - weights[word + j], token[x + j + 1] - weights[word + j + 1]
            d2 = token[x + j + 2] - weights[word + j + 2]
            d3 = token[x + j + 3] - weights[word + j + 3]
            s0, s1, s2, s3 = _fma(d0, d0, s0), _fma(d1, d1, s1), _fma(d2, d2, s2), _fma(d3, d3, s3)
        for j in range(whole, u64(width)):
            d0 = token[x + j] - weights[word + j]
            s0 = _fma(d0, d0, s0)
    return (s0 + s1) + (s2 + s3)


@_compiled
def _weigh(
    weights: FloatArray, plan: IntArray, book: Number, token: FloatArray, at: Number,
    codes: IntArray, shares: FloatArray, row: Number, first: Number, gaps: FloatArray,
) -> None:  # fmt: skip
    """Write the softmax of minus the squared distances by the temperature, for one token's codes.

    ``codes`` and ``shares`` (n, L) are read and written at ``row`` from column ``first`` on.
    """
    count = plan[_FOUND]
    if count == 1:
        shares[row, first] = f32(1.0)
        return
    least = math.inf
    for one in range(count):
        gap = f64(_gap(weights, plan, book, codes[row, first + one], token, at))
        gaps[one] = gap / f64(weights[plan[_SCALES] + book])
        least = min(least, gaps[one])
    total = 0.0
    for one in range(count):
        gaps[one] = math.exp(least - gaps[one])
        total += gaps[one]
    for one in range(count):
        shares[row, first + one] = f32(gaps[one] / total)


@_compiled
def _take_away(
    weights: FloatArray, plan: IntArray, book: Number, codes: IntArray, shares: FloatArray,
    row: Number, first: Number, left: FloatArray, at: Number, mean: FloatArray,
) -> None:  # fmt: skip
    """Take from a residual the weighted mean of the codes of one level."""
    width = plan[_DIM] // plan[_PARTS]
    for j in range(plan[_DIM]):
        mean[j] = f32(0.0)
    for one in range(plan[_FOUND]):
        share = shares[row, first + one]
        for part in range(plan[_PARTS]):
            word = _word(plan, book, codes[row, first + one], part)
            for j in range(width):
                mean[part * width + j] = _fma(share, weights[word + j], mean[part * width + j])
    for j in range(plan[_DIM]):
        left[at + j] -= mean[j]


@_compiled
def _tokens_of(
    row: Number, rows: Number, weights: FloatArray, plan: IntArray, x: FloatArray, x_step: Number,
    indptr: IntArray, ids: IntArray, limit: Number, pooled: FloatArray, hidden: FloatArray,
    out: FloatArray, out_step: Number, room: FloatArray,
) -> None:  # fmt: skip
    """Write the tokens of queries [row, row + rows) from their parts, both flat."""
    dim, heads, x_at, out_at = plan[_DIM], plan[_N_HEADS], row * x_step, row * out_step
    _perceptrons(rows, weights, plan, x, x_at, x_step, hidden, out, out_at, out_step, room)
    if plan[_KIND] == RESIDUAL:
        for q in range(rows):
            for j in range(dim):
                out[out_at + q * out_step + j] += x[x_at + q * x_step + j]
        return
    for head in range(heads):
        matrix, at = plan[_PROJECTIONS] + head * dim * dim, out_at + head * dim
        if plan[_KIND] == HEADS:
            _products(rows, x, x_at, x_step, dim, weights, matrix, dim, out, at, out_step, room)
            continue
        for q in range(rows):
            end = indptr[row + q + 1]
            begin = max(indptr[row + q], end - limit)
            _attend(weights, plan, head, ids, begin, end, pooled)
            _add_products(pooled, 0, dim, weights, matrix, dim, out, at + q * out_step)
    for own in range(plan[_OWN]):
        for q in range(rows):
            at = out_at + q * out_step + (heads + own) * dim
            _copy(x, x_at + q * x_step + plan[N_PLAN + own] * dim, dim, out, at)


@_compiled
def _histories(
    row: Number, rows: Number, weights: FloatArray, plan: IntArray, indptr: IntArray,
    ids: IntArray, limit: Number, x: FloatArray, x_step: Number,
) -> Number:  # fmt: skip
    """Write part 0 of queries [row, row + rows); return one that names no item, or FINE."""
    for q in range(row, row + rows):
        end = indptr[q + 1]
        begin = max(indptr[q], end - limit)
        if not _mean(
            weights, plan[_TABLE], plan[_N_ITEMS], plan[_DIM], ids, begin, end, x, q * x_step
        ):
            return q
    return FINE


_IDS = types.Array(types.int64, 1, "A", readonly=True)
_VALUES = types.Array(types.float32, 2, "A", readonly=True)
_W, _P = types.float32[::1], types.int64[::1]
_M, _I, _T = types.float32[:, ::1], types.int64[:, ::1], types.float32[:, :, ::1]
_n = types.int64


@numba.njit(_n(_W, _n, _n, _IDS, _T, _n), cache=True, nogil=True)
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


@numba.njit(_n(_W, _n, _n, _IDS, _IDS, _T, _n), cache=True, nogil=True)
def write_means(
    weights: FloatArray, place: int, size: int, indptr: IntArray, ids: IntArray, parts: FloatArray,
    part: int,
) -> int:  # fmt: skip
    """Write the mean row of each list into parts[q, part]; return a wrong query or FINE."""
    for row in range(indptr.size - 1):
        out, dim = parts[row, part], parts.shape[2]
        if not _mean(weights, place, size, dim, ids, indptr[row], indptr[row + 1], out, 0):
            return row
    return FINE


@numba.njit(types.void(_W, _n, _VALUES, _T, _n), cache=True, nogil=True)
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
        _add_products(given, 0, width, weights, place, out.size, out, 0)


@numba.njit(_n(_W, _P, _IDS, _IDS, _n, _T, _M), cache=True, nogil=True)
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
    n, dim, step = out.shape[0], plan[_DIM], parts.shape[1] * parts.shape[2]
    hidden, room = np.empty(FOUR * plan[_HIDDEN], np.float32), np.empty(FOUR * CHUNK, np.float32)
    x, flat = parts.reshape(-1), out.reshape(-1)
    row = 0
    while row < n:
        rows = FOUR if n - row >= FOUR else 1
        wrong: int = _histories(row, rows, weights, plan, indptr, ids, limit, x, step)
        if wrong != FINE:
            return wrong
        _perceptrons(rows, weights, plan, x, row * step, step, hidden, flat, row * dim, dim, room)
        for q in range(row, row + rows):
            for j in range(u64(dim)):
                flat[u64(q * dim) + j] += x[u64(q * step) + j]
        row += rows
    return FINE


@numba.njit(_n(_W, _P, _IDS, _IDS, _n, _T, _I, _T, _I, _M), cache=True, nogil=True)
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
    n, dim, found, step = codes.shape[0], plan[_DIM], plan[_FOUND], parts.shape[1] * parts.shape[2]
    n_tokens, own, residual = plan[_N_HEADS] + plan[_OWN], plan[_OWN], plan[_KIND] == RESIDUAL
    hidden, room = np.empty(FOUR * plan[_HIDDEN], np.float32), np.empty(FOUR * CHUNK, np.float32)
    pooled, left = np.empty(dim, np.float32), np.empty(FOUR * dim, np.float32)
    near, gaps = np.empty(FOUR * plan[_WORDS], np.float32), np.empty(found, np.float64)
    values = np.empty((FOUR, 3, plan[_NEAREST]), np.float32)
    numbers = np.empty((FOUR, 3, plan[_NEAREST]), np.int64)
    x, flat, width = parts.reshape(-1), tokens.reshape(-1), tokens.shape[1] * tokens.shape[2]
    row = 0
    while row < n:
        rows = FOUR if n - row >= FOUR else 1
        wrong: int = _histories(row, rows, weights, plan, indptr, ids, limit, x, step)
        if wrong != FINE:
            return wrong
        _tokens_of(
            row, rows, weights, plan, x, step, indptr, ids, limit, pooled, hidden, flat, width, room
        )
        source, from_, apart = flat, row * width, width
        if residual:
            _copy(flat, row * width, rows * dim, left, 0)
            source, from_, apart = left, 0, dim
        for token in range(n_tokens):
            book, at = plan[N_PLAN + own + token], from_ + (0 if residual else token * dim)
            start, first = plan[N_PLAN + own + n_tokens + book], token * found
            _nearest(rows, weights, plan, book, source, at, apart, near, values, numbers, room)
            for q in range(rows):
                for one in range(found):
                    codes[row + q, first + one] = numbers[q, 0, one]
                place = at + q * apart
                _weigh(weights, plan, book, source, place, codes, shares, row + q, first, gaps)
                if residual:
                    _take_away(
                        weights, plan, book, codes, shares, row + q, first, left, place, pooled
                    )
                for one in range(found):
                    codes[row + q, first + one] += start
        first, last = n_tokens * found, plan.size - plan[_GIVEN]
        for q in range(row, row + rows):
            for field in range(plan[_GIVEN]):
                codes[q, first + field] = given[q, field] + plan[last + field]
                shares[q, first + field] = f32(1.0)
        row += rows
    return FINE


@numba.njit(_n(_I, types.Array(types.int64, 1, "C", readonly=True)), cache=True, nogil=True)
def number_lists(codes: IntArray, list_of: IntArray) -> int:
    """Put the list of each code in its place, -1 where there is none; return how many have none."""
    missing = 0
    for row in range(codes.shape[0]):
        for column in range(codes.shape[1]):
            codes[row, column] = list_of[codes[row, column]]
            missing += codes[row, column] < 0
    return missing


COMPILE_S = compiled_s(_begun, write_vectors, write_codes, number_lists)  # of this process

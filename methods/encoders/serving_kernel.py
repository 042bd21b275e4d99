"""Compiled code of serving encoders: a query's history and fields to a vector, or to codes.

Every product is a chain of fused multiply-adds in the order of its inner index, side by side for
all outputs: what a query becomes has the same bits alone and in any batch, on any number of threads
and wherever its arrays lie in memory, in float32. Weights are one array and their places another
(`Plan`), for numba spends longer on taking a dozen arrays apart than on a query. Arrays of queries
may be read-only. All in one file, because a kept compilation does not notice changes elsewhere.
"""

import math
from enum import IntEnum
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from harness.lists import FloatArray, IntArray

HEADS, ATTENTION, RESIDUAL = range(3)  # how a history becomes tokens
FINE = -1  # no query is wrong


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
    while where + 4 <= end:
        r0, r1 = place + u64(ids[where]) * width, place + u64(ids[where + 1]) * width
        r2, r3 = place + u64(ids[where + 2]) * width, place + u64(ids[where + 3]) * width
        for j in range(width):
            total = out[at + j] + weights[r0 + j]
            total = total + weights[r1 + j]
            total = total + weights[r2 + j]
            out[at + j] = total + weights[r3 + j]
        where += 4
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
def _perceptron(
    weights: FloatArray, plan: IntArray, x: FloatArray, hidden: FloatArray, out: FloatArray,
    at: Number,
) -> None:  # fmt: skip
    """Write the perceptron's outputs for the parts ``x`` of one query."""
    n_hidden, n_out = plan[_HIDDEN], plan[_MIXTURE]
    _copy(weights, plan[_FIRST_BIAS], n_hidden, hidden, 0)
    _add_products(x, 0, plan[_MIXED] * plan[_DIM], weights, plan[_FIRST], n_hidden, hidden, 0)
    for j in range(n_hidden):
        hidden[j] = max(hidden[j], f32(0.0))
    _copy(weights, plan[_SECOND_BIAS], n_out, out, at)
    _add_products(hidden, 0, n_hidden, weights, plan[_SECOND], n_out, out, at)


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
def _best(near: FloatArray, n: Number, room: Number, values: FloatArray, numbers: IntArray) -> None:
    """Write the ``room`` largest of ``n`` values, falling, and where they stand."""
    count = 0
    for word in range(n):
        if count < room or near[word] > values[count - 1]:
            count = _insert(near[word], word, room, count, values, numbers)


@_compiled
def _nearest(
    weights: FloatArray, plan: IntArray, book: Number, token: FloatArray, token_at: Number,
    near: FloatArray, values: FloatArray, numbers: IntArray,
) -> Number:  # fmt: skip
    """Write the composite numbers of the nearest codes into numbers[0]; return how many.

    What is largest is <x, c> - |c|^2 / 2, half of |x|^2 - |x - c|^2, summed over parts. Rows 1 and
    2 of ``values`` and ``numbers`` are room for a part's codewords and for the new tuples.
    """
    n_parts, words, nearest = plan[_PARTS], plan[_WORDS], plan[_NEAREST]
    width, few, count = plan[_DIM] // n_parts, min(nearest, words), 0
    for part in range(n_parts):
        slot = book * n_parts + part
        _copy(weights, plan[_HALVES] + slot * words, words, near, 0)
        turned = plan[_TURNED] + slot * width * words
        _add_products(token, token_at + part * width, width, weights, turned, words, near, 0)
        if part == 0:
            _best(near, words, few, values[0], numbers[0])
            count = few
            continue
        _best(near, words, few, values[1], numbers[1])
        room, found = min(nearest, count * few), 0
        for old in range(count):
            for new in range(few):
                value = values[0, old] + values[1, new]
                if found < room or value > values[2, found - 1]:
                    number = numbers[0, old] * words + numbers[1, new]
                    found = _insert(value, number, room, found, values[2], numbers[2])
        count = found
        for at in range(count):
            values[0, at], numbers[0, at] = values[2, at], numbers[2, at]
    return count


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
    row: Number, first: Number, left: FloatArray, mean: FloatArray,
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
        left[j] -= mean[j]


@_compiled
def _tokens_of(
    weights: FloatArray, plan: IntArray, parts: FloatArray, ids: IntArray, begin: Number,
    end: Number, pooled: FloatArray, hidden: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Write the tokens of one query from its parts (n_parts, dim), both flat."""
    dim, heads = plan[_DIM], plan[_N_HEADS]
    _perceptron(weights, plan, parts, hidden, out, 0)
    if plan[_KIND] == RESIDUAL:
        for j in range(dim):
            out[j] += parts[j]
        return
    for head in range(heads):
        matrix = plan[_PROJECTIONS] + head * dim * dim
        if plan[_KIND] == ATTENTION:
            _attend(weights, plan, head, ids, begin, end, pooled)
            _add_products(pooled, 0, dim, weights, matrix, dim, out, head * dim)
        else:
            _add_products(parts, 0, dim, weights, matrix, dim, out, head * dim)
    for own in range(plan[_OWN]):
        _copy(parts, plan[N_PLAN + own] * dim, dim, out, (heads + own) * dim)


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
    hidden, dim = np.empty(plan[_HIDDEN], np.float32), plan[_DIM]
    for row in range(out.shape[0]):
        x, end = parts[row].reshape(-1), indptr[row + 1]
        begin = max(indptr[row], end - limit)
        if not _mean(weights, plan[_TABLE], plan[_N_ITEMS], dim, ids, begin, end, x, 0):
            return row
        _perceptron(weights, plan, x, hidden, out[row], 0)
        for j in range(dim):
            out[row, j] += x[j]
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
    dim, found = plan[_DIM], plan[_FOUND]
    n_tokens, own = plan[_N_HEADS] + plan[_OWN], plan[_OWN]
    hidden, pooled = np.empty(plan[_HIDDEN], np.float32), np.empty(dim, np.float32)
    near, gaps = np.empty(plan[_WORDS], np.float32), np.empty(found, np.float64)
    values = np.empty((3, plan[_NEAREST]), np.float32)
    numbers = np.empty((3, plan[_NEAREST]), np.int64)
    left, residual = np.empty(dim, np.float32), plan[_KIND] == RESIDUAL
    for row in range(codes.shape[0]):
        x, end = parts[row].reshape(-1), indptr[row + 1]
        begin = max(indptr[row], end - limit)
        if not _mean(weights, plan[_TABLE], plan[_N_ITEMS], dim, ids, begin, end, x, 0):
            return row
        out = tokens[row].reshape(-1)
        _tokens_of(weights, plan, x, ids, begin, end, pooled, hidden, out)
        if residual:
            _copy(out, 0, dim, left, 0)
        for token in range(n_tokens):
            book = plan[N_PLAN + own + token]
            start, first = plan[N_PLAN + own + n_tokens + book], token * found
            source, at = (left, 0) if residual else (out, token * dim)
            _nearest(weights, plan, book, source, at, near, values, numbers)
            for one in range(found):
                codes[row, first + one] = numbers[0, one]
            _weigh(weights, plan, book, source, at, codes, shares, row, first, gaps)
            if residual:
                _take_away(weights, plan, book, codes, shares, row, first, left, pooled)
            for one in range(found):
                codes[row, first + one] += start
        first = n_tokens * found
        for field in range(plan[_GIVEN]):
            codes[row, first + field] = given[row, field] + plan[plan.size - plan[_GIVEN] + field]
            shares[row, first + field] = f32(1.0)
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

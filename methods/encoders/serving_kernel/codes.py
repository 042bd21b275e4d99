"""Tokens to the nearest of their codes, weights of these, and what they leave of a token."""

import math

from harness.lists import FloatArray, IntArray
from methods.compiling import Number, f32, f64, into_callers, u64
from methods.encoders.serving_kernel.plan import (
    BOOKS,
    DIM,
    FOUND,
    HALVES,
    NEAREST,
    PARTS,
    SCALES,
    TURNED,
    WORDS,
)
from methods.encoders.serving_kernel.products import copy, fma, products


@into_callers
def _insert(value: Number, number: Number, room: Number, count: Number, values: FloatArray,
            numbers: IntArray) -> Number:  # fmt: skip
    """Put a value into the ``count`` best, falling, earlier ones first; return the new count."""
    at = count if count < room else count - 1
    while at > 0 and values[at - 1] < value:
        values[at], numbers[at] = values[at - 1], numbers[at - 1]
        at -= 1
    values[at], numbers[at] = value, number
    return min(count + 1, room)


@into_callers
def _best(
    near: FloatArray, begin: Number, n: Number, room: Number, values: FloatArray, numbers: IntArray
) -> None:
    """Write the ``room`` largest of ``n`` values, falling, and where they stand."""
    count = 0
    for word in range(n):
        value = near[u64(begin) + u64(word)]
        if count < room or value > values[count - 1]:
            count = _insert(value, word, room, count, values, numbers)


@into_callers
def nearest(
    rows: Number, weights: FloatArray, plan: IntArray, book: Number, tokens: FloatArray,
    at: Number, step: Number, near: FloatArray, values: FloatArray, numbers: IntArray,
    room: FloatArray,
) -> None:  # fmt: skip
    """Write the composite numbers of some tokens' nearest codes into numbers[q, 0].

    What is largest is <x, c> - |c|^2 / 2, half of |x|^2 - |x - c|^2, summed over parts; of equal
    sums the earlier tuple is the nearer. Rows 1 and 2 of ``values[q]`` and ``numbers[q]`` are room
    for a part's codewords and for the new tuples.
    """
    n_parts, words = plan[PARTS], plan[WORDS]
    width, few, count = plan[DIM] // n_parts, min(plan[NEAREST], words), 0
    for part in range(n_parts):
        slot = book * n_parts + part
        for q in range(rows):
            copy(weights, plan[HALVES] + slot * words, words, near, q * words)
        turned, x = plan[TURNED] + slot * width * words, at + part * width
        products(rows, tokens, x, step, width, weights, turned, words, near, 0, words, room)
        into = 0 if part == 0 else 1
        for q in range(rows):
            _best(near, q * words, words, few, values[q, into], numbers[q, into])
            if part > 0:
                _combine(count, few, plan, values[q], numbers[q])
        count = few if part == 0 else min(plan[NEAREST], count * few)


@into_callers
def _combine(
    count: Number, few: Number, plan: IntArray, values: FloatArray, numbers: IntArray
) -> None:
    """Put the best tuples of ``count`` old ones and ``few`` codewords in the old ones' place."""
    room, found = min(plan[NEAREST], count * few), 0
    for old in range(count):
        for new in range(few):
            value = values[0, old] + values[1, new]
            if found < room or value > values[2, found - 1]:
                number = numbers[0, old] * plan[WORDS] + numbers[1, new]
                found = _insert(value, number, room, found, values[2], numbers[2])
    for at in range(room):
        values[0, at], numbers[0, at] = values[2, at], numbers[2, at]


@into_callers
def _word(plan: IntArray, book: Number, code: Number, part: Number) -> Number:
    """Return where the codeword of one part of a composite number begins."""
    n_parts, words = plan[PARTS], plan[WORDS]
    for _ in range(n_parts - 1 - part):
        code //= words
    slot = book * n_parts + part
    return plan[BOOKS] + (slot * words + code % words) * (plan[DIM] // n_parts)


@into_callers
def _gap(
    weights: FloatArray, plan: IntArray, book: Number, code: Number, token: FloatArray, at: Number
) -> Number:
    """Return the squared distance of a token to a code."""
    width, s0, s1, s2, s3 = plan[DIM] // plan[PARTS], f32(0.0), f32(0.0), f32(0.0), f32(0.0)
    whole = u64(width) & ~u64(3)
    for part in range(plan[PARTS]):
        word, x = u64(_word(plan, book, code, part)), u64(at + part * width)
        for j in range(u64(0), whole, u64(4)):
            d0, d1 = token[x + j] - weights[word + j], token[x + j + 1] - weights[word + j + 1]
            d2 = token[x + j + 2] - weights[word + j + 2]
            d3 = token[x + j + 3] - weights[word + j + 3]
            s0, s1, s2, s3 = fma(d0, d0, s0), fma(d1, d1, s1), fma(d2, d2, s2), fma(d3, d3, s3)
        for j in range(whole, u64(width)):
            d0 = token[x + j] - weights[word + j]
            s0 = fma(d0, d0, s0)
    return (s0 + s1) + (s2 + s3)


@into_callers
def weigh(
    weights: FloatArray, plan: IntArray, book: Number, token: FloatArray, at: Number,
    codes: IntArray, shares: FloatArray, row: Number, first: Number, gaps: FloatArray,
) -> None:  # fmt: skip
    """Write the softmax of minus the squared distances by the temperature, for one token's codes.

    ``codes`` and ``shares`` (n, L) are read and written at ``row`` from column ``first`` on.
    """
    count = plan[FOUND]
    if count == 1:
        shares[row, first] = f32(1.0)
        return
    least = math.inf
    for one in range(count):
        gap = f64(_gap(weights, plan, book, codes[row, first + one], token, at))
        gaps[one] = gap / f64(weights[plan[SCALES] + book])
        least = min(least, gaps[one])
    total = 0.0
    for one in range(count):
        gaps[one] = math.exp(least - gaps[one])
        total += gaps[one]
    for one in range(count):
        shares[row, first + one] = f32(gaps[one] / total)


@into_callers
def take_away(
    weights: FloatArray, plan: IntArray, book: Number, codes: IntArray, shares: FloatArray,
    row: Number, first: Number, left: FloatArray, at: Number, mean: FloatArray,
) -> None:  # fmt: skip
    """Take from a residual the weighted mean of the codes of one level."""
    width = plan[DIM] // plan[PARTS]
    for j in range(plan[DIM]):
        mean[j] = f32(0.0)
    for one in range(plan[FOUND]):
        share = shares[row, first + one]
        for part in range(plan[PARTS]):
            word = _word(plan, book, codes[row, first + one], part)
            for j in range(width):
                mean[part * width + j] = fma(share, weights[word + j], mean[part * width + j])
    for j in range(plan[DIM]):
        left[at + j] -= mean[j]

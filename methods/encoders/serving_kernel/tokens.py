"""Histories and fields to tokens: means, the perceptron over parts, heads and attention."""

import math

import numpy as np

from harness.lists import FloatArray, IntArray
from methods.compiling import Number, f32, f64, into_callers, u64
from methods.encoders.serving_kernel.plan import (
    DIM,
    FINE,
    FIRST,
    FIRST_BIAS,
    HEADS,
    HIDDEN,
    KIND,
    MIXED,
    MIXTURE,
    N_HEADS,
    N_ITEMS,
    N_PLAN,
    OWN,
    PROJECTIONS,
    QUERIES,
    RESIDUAL,
    SECOND,
    SECOND_BIAS,
    TABLE,
)
from methods.encoders.serving_kernel.products import add_products, copy, dot, fma, products


@into_callers
def mean(
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


@into_callers
def histories(
    row: Number, rows: Number, weights: FloatArray, plan: IntArray, indptr: IntArray,
    ids: IntArray, limit: Number, x: FloatArray, x_step: Number,
) -> Number:  # fmt: skip
    """Write part 0 of queries [row, row + rows); return one that names no item, or FINE."""
    for q in range(row, row + rows):
        end = indptr[q + 1]
        begin = max(indptr[q], end - limit)
        if not mean(weights, plan[TABLE], plan[N_ITEMS], plan[DIM], ids, begin, end, x, q * x_step):
            return q
    return FINE


@into_callers
def perceptrons(
    rows: Number, weights: FloatArray, plan: IntArray, x: FloatArray, x_at: Number, x_step: Number,
    hidden: FloatArray, out: FloatArray, out_at: Number, out_step: Number, room: FloatArray,
) -> None:  # fmt: skip
    """Write the perceptron's outputs for the parts ``x`` of some queries."""
    n_in, n_hidden, n_out = plan[MIXED] * plan[DIM], plan[HIDDEN], plan[MIXTURE]
    for q in range(rows):
        copy(weights, plan[FIRST_BIAS], n_hidden, hidden, q * n_hidden)
        copy(weights, plan[SECOND_BIAS], n_out, out, out_at + q * out_step)
    first, second = plan[FIRST], plan[SECOND]
    products(rows, x, x_at, x_step, n_in, weights, first, n_hidden, hidden, 0, n_hidden, room)
    for j in range(rows * n_hidden):
        hidden[j] = max(hidden[j], f32(0.0))
    products(
        rows, hidden, 0, n_hidden, n_hidden, weights, second, n_out, out, out_at, out_step, room
    )


@into_callers
def attend(
    weights: FloatArray, plan: IntArray, head: Number, ids: IntArray, begin: Number, end: Number,
    pooled: FloatArray,
) -> None:  # fmt: skip
    """Write the mean of the history as one head's query weighs it; zeros of none."""
    dim = plan[DIM]
    for j in range(dim):
        pooled[j] = f32(0.0)
    if end == begin:
        return
    shares, root, most = np.empty(end - begin, np.float64), math.sqrt(dim), -math.inf
    query = plan[QUERIES] + head * dim
    for at in range(end - begin):
        row = plan[TABLE] + ids[begin + at] * dim
        shares[at] = f64(dot(weights, row, weights, query, dim)) / root
        most = max(most, shares[at])
    total = 0.0
    for at in range(end - begin):
        shares[at] = math.exp(shares[at] - most)
        total += shares[at]
    for at in range(end - begin):
        share, row = f32(shares[at] / total), u64(plan[TABLE] + ids[begin + at] * dim)
        for j in range(u64(dim)):
            pooled[j] = fma(share, weights[row + j], pooled[j])


@into_callers
def tokens_of(
    row: Number, rows: Number, weights: FloatArray, plan: IntArray, x: FloatArray, x_step: Number,
    indptr: IntArray, ids: IntArray, limit: Number, pooled: FloatArray, hidden: FloatArray,
    out: FloatArray, out_step: Number, room: FloatArray,
) -> None:  # fmt: skip
    """Write the tokens of queries [row, row + rows) from their parts, both flat."""
    dim, heads, x_at, out_at = plan[DIM], plan[N_HEADS], row * x_step, row * out_step
    perceptrons(rows, weights, plan, x, x_at, x_step, hidden, out, out_at, out_step, room)
    if plan[KIND] == RESIDUAL:
        for q in range(rows):
            for j in range(dim):
                out[out_at + q * out_step + j] += x[x_at + q * x_step + j]
        return
    for head in range(heads):
        matrix, at = plan[PROJECTIONS] + head * dim * dim, out_at + head * dim
        if plan[KIND] == HEADS:
            products(rows, x, x_at, x_step, dim, weights, matrix, dim, out, at, out_step, room)
            continue
        for q in range(rows):
            end = indptr[row + q + 1]
            begin = max(indptr[row + q], end - limit)
            attend(weights, plan, head, ids, begin, end, pooled)
            add_products(pooled, 0, dim, weights, matrix, dim, out, at + q * out_step)
    for own in range(plan[OWN]):
        for q in range(rows):
            at = out_at + q * out_step + (heads + own) * dim
            copy(x, x_at + q * x_step + plan[N_PLAN + own] * dim, dim, out, at)

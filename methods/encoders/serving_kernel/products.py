"""Products of vectors and matrices as chains of fused multiply-adds, four queries at a time."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from harness.lists import FloatArray
from methods.compiling import Number, f32, into_callers, u64

FOUR = 4  # queries that share a pass over the weights, where there are as many
CHUNK = 512  # outputs of four queries that are held at a time
_CHUNK, _CHUNK_2, _CHUNK_3 = u64(CHUNK), u64(2 * CHUNK), u64(3 * CHUNK)
_intrinsic: Any = intrinsic  # untyped: it takes the typing context, its caller does not


@_intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), code


@into_callers
def copy(source: FloatArray, begin: Number, size: Number, out: FloatArray, at: Number) -> None:
    """Write source[begin : begin + size] to out from ``at`` on."""
    for j in range(u64(size)):
        out[u64(at) + j] = source[u64(begin) + j]


@into_callers
def add_products(
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
            total = fma(x0, weights[w + j], out[out_at + j])
            total = fma(x1, weights[w1 + j], total)
            total = fma(x2, weights[w2 + j], total)
            out[out_at + j] = fma(x3, weights[w3 + j], total)
        w = w3 + width
    for i in range(whole, u64(n_in)):
        x0 = x[x_at + i]
        for j in range(width):
            out[out_at + j] = fma(x0, weights[w + j], out[out_at + j])
        w += width


@into_callers
def _add_products_of_four(
    x: FloatArray, x_at: Number, x_step: Number, n_in: Number, weights: FloatArray, place: Number,
    n_out: Number, out: FloatArray, out_at: Number, out_step: Number, room: FloatArray,
) -> None:  # fmt: skip
    """Do as `add_products` for four queries, whose x and out lie a step apart, to the same bits.

    In ``room``, float32 (4 * CHUNK,), rows lie a constant apart: so it is known that writing one
    changes no other, and all outputs are worked on side by side.
    """
    for first in range(0, n_out, CHUNK):
        size = min(CHUNK, n_out - first)
        for q in range(FOUR):
            copy(out, out_at + q * out_step + first, size, room, q * CHUNK)
        for i in range(0, n_in & ~1, 2):
            at = x_at + i
            a0, a1, b0, b1 = x[at], x[at + x_step], x[at + 1], x[at + x_step + 1]
            at += 2 * x_step
            a2, a3, b2, b3 = x[at], x[at + x_step], x[at + 1], x[at + x_step + 1]
            row_a = u64(place + i * n_out + first)
            row_b = row_a + u64(n_out)
            for j in range(u64(size)):
                wa, wb = weights[row_a + j], weights[row_b + j]
                room[j] = fma(b0, wb, fma(a0, wa, room[j]))
                room[_CHUNK + j] = fma(b1, wb, fma(a1, wa, room[_CHUNK + j]))
                room[_CHUNK_2 + j] = fma(b2, wb, fma(a2, wa, room[_CHUNK_2 + j]))
                room[_CHUNK_3 + j] = fma(b3, wb, fma(a3, wa, room[_CHUNK_3 + j]))
        if n_in & 1:
            row_a = u64(place + (n_in - 1) * n_out + first)
            for q in range(FOUR):
                a0, begin = x[x_at + q * x_step + n_in - 1], u64(q * CHUNK)
                for j in range(u64(size)):
                    room[begin + j] = fma(a0, weights[row_a + j], room[begin + j])
        for q in range(FOUR):
            copy(room, q * CHUNK, size, out, out_at + q * out_step + first)


@into_callers
def products(
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
        add_products(x, x_at + q * x_step, n_in, weights, place, n_out, out, out_at + q * out_step)


@into_callers
def dot(a: FloatArray, a_at: Number, b: FloatArray, b_at: Number, dim: Number) -> Number:
    """Return an inner product: four chains, then their sum."""
    s0 = s1 = s2 = s3 = f32(0.0)
    a_at, b_at, whole = u64(a_at), u64(b_at), u64(dim) & ~u64(3)
    for j in range(u64(0), whole, u64(4)):
        s0 = fma(a[a_at + j], b[b_at + j], s0)
        s1 = fma(a[a_at + j + 1], b[b_at + j + 1], s1)
        s2 = fma(a[a_at + j + 2], b[b_at + j + 2], s2)
        s3 = fma(a[a_at + j + 3], b[b_at + j + 3], s3)
    for j in range(whole, u64(dim)):
        s0 = fma(a[a_at + j], b[b_at + j], s0)
    return (s0 + s1) + (s2 + s3)

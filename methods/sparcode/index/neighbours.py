"""Codes beside those in use: new queries fall on them, so they may get lists as well."""

import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from methods.sparcode.model.quantizer import FAR

CODES_AT_ONCE = 1024
Float64Array = npt.NDArray[np.float64]


def neighbours_of(
    used_codes: IntArray,
    n_codewords: int,
    n_parts: int,
    codebooks: npt.NDArray[np.floating],
    how_many: int,
) -> IntArray:
    """Return composite codes near those in use that are not in use, int64 ascending. Ours.

    Near is by squared L2 of the vectors that codes stand for, which adds up over the parts; a code
    has neighbours of its own token only. Codewords that are retired (see
    `methods.sparcode.model.quantizer.ProductQuantizer.retire_duplicates`) are in no neighbour.

    Parameters
    ----------
    used_codes : int64, distinct: token * N^M + the parts' digits in base N.
    n_codewords, n_parts : N and M.
    codebooks : (n_tokens, M, N, d).
    how_many : nearest codes of each code in use that are looked at, those in use among them; of
        equal distances, as float64 sums tell them, the smaller code is nearer.
    """
    if how_many < 1 or not used_codes.size:
        return np.zeros(0, np.int64)
    per_token = n_codewords**n_parts
    near = []
    for token in np.unique(used_codes // per_token).tolist():
        own = used_codes[used_codes // per_token == token] - token * per_token
        gaps = _gaps(np.asarray(codebooks[token], np.float64))
        for first in range(0, own.size, CODES_AT_ONCE):
            some = own[first : first + CODES_AT_ONCE]
            near.append(np.unique(_nearest(some, gaps, how_many)) + token * per_token)
    return np.asarray(np.setdiff1d(np.concatenate(near), used_codes))


def _gaps(books: Float64Array) -> Float64Array:
    """Return squared distances within each codebook, (M, N, N), infinite to a retired word."""
    gaps = np.stack([((book[:, None] - book[None]) ** 2).sum(-1) for book in books])
    gaps += np.where((np.abs(books) >= FAR).any(-1), np.inf, 0.0)[:, None]
    return gaps


def _nearest(codes: IntArray, gaps: Float64Array, how_many: int) -> IntArray:
    """Return the nearest codes of each without itself, flat; ``codes`` int64 of one token.

    Part by part the best beginnings are kept. One beginning more than is asked for suffices: if
    ``how_many`` + 1 beginnings are nearer, each gives, with the same ending, a nearer code.
    """
    n_parts, n_codewords, _ = gaps.shape
    numbers = np.zeros((codes.size, 1), np.int64)
    sums = np.zeros((codes.size, 1))
    for part in range(n_parts):
        digit = codes // n_codewords ** (n_parts - 1 - part) % n_codewords
        step, words = _first(gaps[part][digit], how_many + 1)
        joined = (sums[:, :, None] + step[:, None]).reshape(codes.size, -1)
        codes_so_far = (numbers[:, :, None] * n_codewords + words[:, None]).reshape(codes.size, -1)
        order = np.lexsort((codes_so_far, joined))[:, : how_many + 1]
        sums = np.take_along_axis(joined, order, 1)
        numbers = np.take_along_axis(codes_so_far, order, 1)
    others = np.isfinite(sums) & (numbers != codes[:, None])
    others &= np.cumsum(others, axis=1) <= how_many  # a code of distance 0 may stand before itself
    return np.asarray(numbers[others])


def _first(gaps: Float64Array, count: int) -> tuple[Float64Array, IntArray]:
    """Return the smallest gaps of each row and whose they are, ties to the smaller word."""
    words = np.argsort(gaps, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(gaps, words, 1), words

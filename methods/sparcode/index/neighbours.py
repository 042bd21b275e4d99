"""Codes beside those in use: new queries fall on them, so they may get lists as well."""

import numpy as np
import numpy.typing as npt

from harness.errors import MethodError
from harness.lists import IntArray
from methods.sparcode.index.building import MEMORY_BUDGET_MB
from methods.sparcode.model.codebooks import FAR

CODES_AT_ONCE = 1024
ROW_BYTES = 32  # of a pair of codewords: distance, difference, and the order of the distances
Float64Array = npt.NDArray[np.float64]


def neighbours_of(
    used_codes: IntArray,
    n_codewords: int,
    n_parts: int,
    codebooks: npt.NDArray[np.floating],
    how_many: int,
    memory_budget_mb: float = MEMORY_BUDGET_MB,
) -> IntArray:
    """Return composite codes near those in use that are not in use, int64 ascending. Ours.

    Near is by squared L2 of the vectors that codes stand for, which adds up over the parts; a code
    has neighbours of its own token only. Codewords that are retired (see
    `methods.sparcode.model.codebooks.Codebooks.retire_duplicates`) are in no neighbour.

    Parameters
    ----------
    used_codes : int64, distinct: token * N^M + the parts' digits in base N.
    n_codewords, n_parts : N and M.
    codebooks : (n_tokens, M, N, d).
    how_many : nearest codes of each code in use that are looked at, those in use among them; of
        equal distances, as float64 sums tell them, the smaller code is nearer.
    memory_budget_mb : megabytes (10^6 bytes) that the work may take beside what it returns.

    Raises
    ------
    MethodError
        Distances from one codeword to all others of its codebook need more.
    """
    if how_many < 1 or not used_codes.size:
        return np.zeros(0, np.int64)
    per_token = n_codewords**n_parts
    room = int(memory_budget_mb * 1e6)
    step = min(CODES_AT_ONCE, room // (ROW_BYTES * n_codewords))
    if step < 1:
        raise MethodError(
            f"memory_budget_mb = {memory_budget_mb} has no room for the distances of one of "
            f"{n_codewords} codewords, {ROW_BYTES * n_codewords / 1e6:.3g} MB: raise it"
        )
    near = []
    for token in np.unique(used_codes // per_token).tolist():
        own = used_codes[used_codes // per_token == token] - token * per_token
        books = np.asarray(codebooks[token], np.float64)
        for first in range(0, own.size, step):
            some = own[first : first + step]
            near.append(np.unique(_nearest(some, books, how_many)) + token * per_token)
    return np.asarray(np.setdiff1d(np.concatenate(near), used_codes))


def _gaps(book: Float64Array, words: IntArray) -> Float64Array:
    """Return squared distances of some words to all, (n, N), infinite to a retired word.

    One coordinate after another, so that no (n, N, d) differences are held.
    """
    gaps, difference = np.zeros((2, words.size, len(book)))
    for column in book.T:
        np.subtract(column[words, None], column, out=difference)
        np.multiply(difference, difference, out=difference)
        gaps += difference
    gaps[:, (np.abs(book) >= FAR).any(-1)] = np.inf
    return gaps


def _nearest(codes: IntArray, books: Float64Array, how_many: int) -> IntArray:
    """Return the nearest codes of each without itself, flat; ``codes`` int64 of one token.

    Part by part the best beginnings are kept. One beginning more than is asked for suffices: if
    ``how_many`` + 1 beginnings are nearer, each gives, with the same ending, a nearer code.
    """
    n_parts, n_codewords, _ = books.shape
    numbers = np.zeros((codes.size, 1), np.int64)
    sums = np.zeros((codes.size, 1))
    for part in range(n_parts):
        digit = codes // n_codewords ** (n_parts - 1 - part) % n_codewords
        used, at = np.unique(digit, return_inverse=True)
        step, words = (one[at] for one in _first(_gaps(books[part], used), how_many + 1))
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

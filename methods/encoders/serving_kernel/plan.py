"""Plan: where sizes, and weights in their array, stand in what the kernel is told."""

from enum import IntEnum

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
    DIM, MIXED, HIDDEN, MIXTURE, TABLE, N_ITEMS, FIRST, FIRST_BIAS, SECOND, SECOND_BIAS,
    KIND, N_HEADS, OWN, PROJECTIONS, QUERIES, PARTS, WORDS, NEAREST, FOUND, BOOKS,
    TURNED, HALVES, SCALES, GIVEN,
) = (int(one) for one in Plan)  # fmt: skip

"""Expectations over the orders of tied items, group by group; see `harness.metrics.ties`.

Each function takes the tie groups of n queries (``indptr, sizes, n_relevant`` of `TieGroups`).
"""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray

Values = npt.NDArray[np.float64]


@numba.njit(cache=True)
def expected_share(
    indptr: IntArray, sizes: IntArray, n_relevant: IntArray, gains: Values
) -> Values:
    """Return the expected sum of gains of hits, ``gains[rank - 1]`` each, float64 (n,).

    Expectation is linear: a rank inside a group of m items with r relevant gives r / m of a hit.
    """
    values = np.zeros(indptr.size - 1)
    for query in range(values.size):
        rank = 0
        for group in range(indptr[query], indptr[query + 1]):
            chance = n_relevant[group] / sizes[group]
            for _ in range(min(sizes[group], gains.size - rank)):
                values[query] += chance * gains[rank]
                rank += 1
    return values


@numba.njit(cache=True)
def expected_first(
    indptr: IntArray, sizes: IntArray, n_relevant: IntArray, gains: Values
) -> Values:
    """Return the expected ``gains[rank - 1]`` of the first hit, 0 without one, float64 (n,).

    The j-th item of a group (from 0) that has shown no hit is one with probability r / (m - j).
    A hit ends the walk, so ``missed``, the chance of none so far, is the product of the others.
    """
    values = np.zeros(indptr.size - 1)
    for query in range(values.size):
        rank, missed = 0, 1.0
        for group in range(indptr[query], indptr[query + 1]):
            for place in range(min(sizes[group], gains.size - rank)):
                if missed <= 0.0:
                    break
                chance = min(n_relevant[group] / (sizes[group] - place), 1.0)
                values[query] += missed * chance * gains[rank]
                missed *= 1.0 - chance
                rank += 1
    return values


@numba.njit(cache=True)
def expected_average_precision(
    indptr: IntArray, sizes: IntArray, n_relevant: IntArray, k: int
) -> Values:
    """Return the expected sum of precisions at the ranks of hits in the top k, float64 (n,).

    With H hits in earlier groups, an item at place j (from 0) of a group of m with r relevant is a
    hit with probability r / m; given that, j (r - 1) / (m - 1) of the places before it are hits.
    """
    values = np.zeros(indptr.size - 1)
    for query in range(values.size):
        rank, earlier = 0, 0.0
        for group in range(indptr[query], indptr[query + 1]):
            size, relevant = sizes[group], n_relevant[group]
            others = (relevant - 1) / (size - 1) if size > 1 else 0.0
            for place in range(min(size, k - rank)):
                rank += 1
                values[query] += relevant / size * (earlier + 1.0 + place * others) / rank
            earlier += relevant
    return values

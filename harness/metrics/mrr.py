"""Reciprocal rank@k, whose mean over queries is MRR: how early the first relevant item comes."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def mrr(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return 1 / rank of the first hit in the top k, else 0, float64 (n_cuts, n).

    References
    ----------
    Voorhees, TREC-8 question answering track, 1999.
    """
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        first = indptr[query]
        if first < indptr[query + 1]:
            for place, k in enumerate(cuts):
                if ranks[first] <= k:
                    values[place, query] = 1.0 / ranks[first]
    return values

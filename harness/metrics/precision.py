"""Precision@k: the share of the top k that is relevant."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def precision(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return hits in the top k / k of each query at each cut, float64 (n_cuts, n).

    The divisor is k also where fewer than k items were returned, as in trec_eval.
    """
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        at, end, found = indptr[query], indptr[query + 1], 0
        for place, k in enumerate(cuts):
            while at < end and ranks[at] <= k:
                found += 1
                at += 1
            values[place, query] = found / k
    return values

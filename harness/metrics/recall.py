"""Recall@k: the share of the relevant items that the top k holds."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def recall(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return hits in the top k / |relevant| of each query at each cut, float64 (n_cuts, n).

    With more than k relevant items it cannot reach 1; `recall_capped` can.
    """
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        at, end, found = indptr[query], indptr[query + 1], 0
        for place, k in enumerate(cuts):
            while at < end and ranks[at] <= k:
                found += 1
                at += 1
            values[place, query] = found / n_relevant[query]
    return values

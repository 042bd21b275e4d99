"""Average precision@k, whose mean over queries is MAP: precision at each relevant item's rank."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def average_precision(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return AP@k of each query at each cut, float64 (n_cuts, n).

    ``AP@k = sum over hits in the top k of (hits so far / rank) / |relevant|``. The divisor is
    |relevant| as in trec_eval's map_cut, not min(k, |relevant|) as in some recommender papers.
    """
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        start, end, total = indptr[query], indptr[query + 1], 0.0
        at = start
        for place, k in enumerate(cuts):
            while at < end and ranks[at] <= k:
                total += (at - start + 1) / ranks[at]
                at += 1
            values[place, query] = total / n_relevant[query]
    return values

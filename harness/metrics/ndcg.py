"""NDCG@k with binary gain: hits count by rank, against the best possible order."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def ndcg(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return DCG / ideal DCG of each query at each cut, float64 (n_cuts, n).

    ``DCG = sum over hits of 1 / log2(rank + 1)``. The ideal list holds min(k, |relevant|) hits at
    the top: what could have been found, never what was found.

    References
    ----------
    Järvelin and Kekäläinen, TOIS 20(4), 2002, with the discount of trec_eval's ndcg_cut.
    """
    gain = np.zeros(cuts[-1] + 1)
    ideal = np.zeros(cuts[-1] + 1)
    for rank in range(1, gain.size):
        gain[rank] = 1.0 / np.log2(rank + 1.0)
        ideal[rank] = ideal[rank - 1] + gain[rank]
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        at, end, found = indptr[query], indptr[query + 1], 0.0
        for place, k in enumerate(cuts):
            while at < end and ranks[at] <= k:
                found += gain[ranks[at]]
                at += 1
            values[place, query] = found / ideal[min(k, n_relevant[query])]
    return values

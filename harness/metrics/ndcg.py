"""NDCG@k with binary gain: hits count by rank, against the best possible order."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def ndcg(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, k: int
) -> npt.NDArray[np.float64]:
    """Return DCG / ideal DCG of each query, float64 (n,); arguments as in `Hits`.

    ``DCG = sum over hits of 1 / log2(rank + 1)``. The ideal list holds min(k, |relevant|) hits at
    the top: what could have been found, never what was found.

    References
    ----------
    Järvelin and Kekäläinen, TOIS 20(4), 2002, with the discount of trec_eval's ndcg_cut.
    """
    gain = np.zeros(k + 1)
    ideal = np.zeros(k + 1)
    for rank in range(1, k + 1):
        gain[rank] = 1.0 / np.log2(rank + 1.0)
        ideal[rank] = ideal[rank - 1] + gain[rank]
    values = np.zeros(n_relevant.size)
    for query in range(n_relevant.size):
        found = 0.0
        for at in range(indptr[query], indptr[query + 1]):
            if ranks[at] <= k:
                found += gain[ranks[at]]
        values[query] = found / ideal[min(k, n_relevant[query])]
    return values

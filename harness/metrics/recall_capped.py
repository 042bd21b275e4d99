"""Capped recall@k: the share of what the top k could hold at best."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def recall_capped(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return hits in the top k / min(k, |relevant|), float64 (n_cuts, n).

    References
    ----------
    Liang, Krishnan, Hoffman and Jebara, WWW 2018, section 4.2, where it is called Recall@R.
    """
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        at, end, found = indptr[query], indptr[query + 1], 0
        for place, k in enumerate(cuts):
            while at < end and ranks[at] <= k:
                found += 1
                at += 1
            values[place, query] = found / min(k, n_relevant[query])
    return values

"""Capped recall@k: the share of what the top k could hold at best."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def recall_capped(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, k: int
) -> npt.NDArray[np.float64]:
    """Return hits in the top k / min(k, |relevant|), float64 (n,); arguments as in `Hits`.

    References
    ----------
    Liang, Krishnan, Hoffman and Jebara, WWW 2018, section 4.2, where it is called Recall@R.
    """
    values = np.zeros(n_relevant.size)
    for query in range(n_relevant.size):
        found = 0
        for at in range(indptr[query], indptr[query + 1]):
            found += ranks[at] <= k
        values[query] = found / min(k, n_relevant[query])
    return values

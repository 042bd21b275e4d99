"""Precision@k: the share of the top k that is relevant."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def precision(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, k: int
) -> npt.NDArray[np.float64]:
    """Return hits in the top k / k of each query, float64 (n,); arguments as in `Hits`.

    The divisor is k also where fewer than k items were returned, as in trec_eval.
    """
    values = np.zeros(n_relevant.size)
    for query in range(n_relevant.size):
        found = 0
        for at in range(indptr[query], indptr[query + 1]):
            found += ranks[at] <= k
        values[query] = found / k
    return values

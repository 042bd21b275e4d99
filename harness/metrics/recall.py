"""Recall@k: the share of the relevant items that the top k holds."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def recall(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, k: int
) -> npt.NDArray[np.float64]:
    """Return hits in the top k / |relevant| of each query, float64 (n,); arguments as in `Hits`.

    With more than k relevant items it cannot reach 1; `recall_capped` can.
    """
    values = np.zeros(n_relevant.size)
    for query in range(n_relevant.size):
        found = 0
        for at in range(indptr[query], indptr[query + 1]):
            found += ranks[at] <= k
        values[query] = found / n_relevant[query]
    return values

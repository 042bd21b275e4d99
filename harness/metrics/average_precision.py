"""Average precision@k, whose mean over queries is MAP: precision at each relevant item's rank."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def average_precision(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, k: int
) -> npt.NDArray[np.float64]:
    """Return AP@k of each query, float64 (n,); arguments as in `Hits`.

    ``AP@k = sum over hits in the top k of (hits so far / rank) / |relevant|``. The divisor is
    |relevant| as in trec_eval's map_cut, not min(k, |relevant|) as in some recommender papers.
    """
    values = np.zeros(n_relevant.size)
    for query in range(n_relevant.size):
        total = 0.0
        for at in range(indptr[query], indptr[query + 1]):
            if ranks[at] <= k:
                total += (at - indptr[query] + 1) / ranks[at]
        values[query] = total / n_relevant[query]
    return values

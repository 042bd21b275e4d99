"""Hit rate@k: whether the top k holds any relevant item."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def hit_rate(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, k: int
) -> npt.NDArray[np.float64]:
    """Return 1 where the top k holds a hit, else 0, float64 (n,); arguments as in `Hits`."""
    values = np.zeros(n_relevant.size)
    for query in range(n_relevant.size):
        first = indptr[query]
        if first < indptr[query + 1] and ranks[first] <= k:
            values[query] = 1.0
    return values

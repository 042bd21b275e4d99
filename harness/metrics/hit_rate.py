"""Hit rate@k: whether the top k holds any relevant item."""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from harness.metrics.hits import RankArray


@numba.njit(cache=True)
def hit_rate(
    indptr: IntArray, ranks: RankArray, n_relevant: IntArray, cuts: IntArray
) -> npt.NDArray[np.float64]:
    """Return 1 where the top k holds a hit, else 0, float64 (n_cuts, n)."""
    values = np.zeros((cuts.size, n_relevant.size))
    for query in range(n_relevant.size):
        first = indptr[query]
        if first < indptr[query + 1]:
            for place, k in enumerate(cuts):
                if ranks[first] <= k:
                    values[place, query] = 1.0
    return values

"""What a merge costs on this machine, fitted to short timed runs on the lists themselves."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from harness.lists import IntArray, Lists

NEVER = 1 << 62  # no query has as many postings
TURNS = 5  # of each run; the fastest counts
QUERIES = 16  # of a run
K = 100

MergeAs = Callable[..., tuple[Any, Any, int, int]]


class CostModel(NamedTuple):
    """Seconds of a query by postings read, for both ways to collect sums: fixed + each * postings.

    The model and its fit are our choice; SparCode's paper does not say how lists are added up.
    """

    sparse_fixed_s: float
    sparse_each_s: float
    dense_fixed_s: float
    dense_each_s: float

    @property
    def dense_from(self) -> int:
        """Return the number of postings from which a dense collection is the faster one."""
        gain = self.sparse_each_s - self.dense_each_s
        more = self.dense_fixed_s - self.sparse_fixed_s
        if more <= 0:
            return 0 if gain >= 0 else NEVER
        return min(NEVER, int(np.ceil(more / gain))) if gain > more / NEVER else NEVER


NEVER_DENSE = CostModel(0.0, 0.0, 1.0, 0.0)


def fit_cost_model(merge_as: MergeAs, starts: IntArray, most_lists: int) -> CostModel:
    """Return the costs of merging lists of this index, here and now.

    Queries of a quarter, a half and all of ``most_lists`` lists, drawn at random from those that
    hold something, are timed in turns both ways; each way gets the line of least squares.

    Parameters
    ----------
    merge_as : ``merge_as(dense_from, lists, weights, hidden, k)``.
    starts : int64 (n_lists + 1,), of the lists.
    most_lists : that any query may add up.
    """
    filled = np.flatnonzero(np.diff(starts))
    if filled.size == 0 or most_lists < 1:
        return NEVER_DENSE
    random = np.random.default_rng(0)
    widths = sorted({max(1, most_lists // part) for part in (4, 2, 1)})
    points, seconds = [], []
    for width in widths:
        lists = filled[random.integers(filled.size, size=(QUERIES, width))]
        points.append(float(np.diff(starts)[lists].sum()) / QUERIES)
        seconds.append(_time_both(merge_as, lists))
    design = np.stack((np.ones(len(points)), np.array(points)), axis=1)
    lines, *_ = np.linalg.lstsq(design, np.array(seconds), rcond=None)  # (2, way)
    return CostModel(*(float(value) for value in lines.T.ravel()))


def _time_both(merge_as: MergeAs, lists: IntArray) -> tuple[float, float]:
    """Return the seconds of a query when its sums are collected sparse, and dense."""
    hidden = Lists.empty(len(lists))
    fastest = [np.inf, np.inf]
    for _ in range(TURNS):
        for way, dense_from in enumerate((NEVER, 0)):
            begun = time.perf_counter()
            merge_as(dense_from, lists, None, hidden, K)
            fastest[way] = min(fastest[way], time.perf_counter() - begun)
    return fastest[0] / len(lists), fastest[1] / len(lists)

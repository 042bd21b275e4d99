"""What a merge costs on this machine, fitted to short timed runs on the lists themselves."""

import time
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding

from harness.lists import FloatArray, IntArray, Lists

NEVER = 1 << 62  # no query has as many postings
TURNS, LEAST_TURNS = 9, 3  # of each run; the fastest counts
QUERIES = 16  # of a run, at most
READ = 3 << 23  # postings of all runs at one point, about: some 0.1 s
K = 100
MOST_LISTS = 4096  # that leave room for the rounding of as many weights

MergeAs = Callable[..., tuple[Any, Any, int, int]]


class CostModel(NamedTuple):
    """Seconds of a query by postings read, at some points, for both ways to collect sums.

    A dense collection is no line in the postings: it costs more where few or many sums reach the
    bound, which depends on the lists. So points are kept and the crossing is interpolated. The
    model is our choice; SparCode's paper does not say how lists are added up.
    """

    postings: tuple[float, ...]  # of a query, ascending
    sparse_s: tuple[float, ...]
    dense_s: tuple[float, ...]

    def facts(self) -> dict[str, Any]:
        """Return what `of_facts` takes, as JSON can say it, and as long whatever was measured."""
        points = {name: [f"{one:.6e}" for one in values] for name, values in self._asdict().items()}
        return {"processor": _processor(), **points}

    @classmethod
    def of_facts(cls, facts: Any) -> "CostModel | None":
        """Return the costs that `facts` gave; None where there are none or of another processor."""
        if not facts or facts["processor"] != _processor():
            return None
        return cls(*(tuple(float(one) for one in facts[name]) for name in cls._fields))

    @property
    def dense_from(self) -> int:
        """Return the number of postings from which a dense collection stays the faster one.

        0 where it is at every point, `NEVER` where it is not at the last.
        """
        slower = [dense - sparse for dense, sparse in zip(self.dense_s, self.sparse_s, strict=True)]
        last = max((at for at, one in enumerate(slower) if one > 0), default=-1)
        if last == len(slower) - 1:
            return NEVER
        if last == -1:
            return 0
        share = slower[last] / (slower[last] - slower[last + 1])
        below, above = self.postings[last : last + 2]
        return int(np.ceil(below + share * (above - below)))


NEVER_DENSE = CostModel((), (), ())


def _processor() -> str:
    """Return a checksum of what the compiler calls the processor."""
    return f"{zlib.crc32(binding.get_host_cpu_name().encode()):08x}"


def fit_cost_model(merge_as: MergeAs, starts: IntArray, most_lists: int) -> CostModel:
    """Return the costs of merging lists of this index, here and now.

    Queries of a quarter to eight times ``most_lists`` lists, drawn at random from those that hold
    something, are timed in turns both ways. What is above ``most_lists`` has weights, so that sums
    stay in range. Where lists are long fewer queries are timed, then less often; then lists are not
    read to their ends, so that all takes a second whatever the index.

    Parameters
    ----------
    merge_as : ``merge_as(dense_from, lists, weights, hidden, k, cut=...)``.
    starts : int64 (n_lists + 1,), of the lists.
    most_lists : that a query without weights may add up.
    """
    filled = np.flatnonzero(np.diff(starts))
    if filled.size == 0 or most_lists < 1:
        return NEVER_DENSE
    random, lengths = np.random.default_rng(0), np.diff(starts)
    widths = {most_lists, *(min(times * most_lists, MOST_LISTS) for times in (2, 4, 8))}
    points = []
    for width in sorted({max(1, most_lists // 4), *widths}):
        lists = filled[random.integers(filled.size, size=(QUERIES, width))]
        cut = max(1, READ // (2 * LEAST_TURNS * width))
        read = np.minimum(lengths[lists], cut).sum(axis=1)  # of each query
        lists = lists[: max(1, int(np.searchsorted(read.cumsum(), READ // (2 * TURNS))))]
        share = 0.9 * most_lists / width  # less than all: each weight is rounded
        weights = None if width <= most_lists else np.full(lists.shape, share, np.float32)
        read = read[: len(lists)]
        turns = min(TURNS, max(LEAST_TURNS, READ // (2 * max(1, int(read.sum())))))
        points.append((float(read.mean()), *_time_both(merge_as, lists, weights, turns, cut)))
    return CostModel(*zip(*sorted(points), strict=True))


def _time_both(
    merge_as: MergeAs, lists: IntArray, weights: FloatArray | None, turns: int, cut: int
) -> tuple[float, float]:
    """Return the seconds of a query when its sums are collected sparse, and dense."""
    hidden = Lists.empty(len(lists))
    fastest = [np.inf, np.inf]
    for _ in range(turns):
        for way, dense_from in enumerate((NEVER, 0)):
            begun = time.perf_counter()
            merge_as(dense_from, lists, weights, hidden, K, cut=cut)
            fastest[way] = min(fastest[way], time.perf_counter() - begun)
    return fastest[0] / len(lists), fastest[1] / len(lists)

"""Load: how queries reach a method while it is timed, and what is kept of it.

``single_stream`` sends the next query when the answer to the one before has come, so each latency
is that of one query. ``offline`` sends everything in batches; it has a rate and no latency: the
mean of a batch is not what any query waited. Both time host memory to host memory.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.interactions import Queries
from harness.measure.clock import Clock
from harness.topk import TopK, concatenate

Search = Callable[[Queries, int], TopK]

WARM_UP_WINDOW = 20  # queries whose mean time is compared with that of the window before
WARM_UP_CHANGE = 0.05  # warm when two successive windows differ by less
WARM_UP_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One way of sending queries.

    Attributes
    ----------
    kind : ``single_stream`` or ``offline``.
    queries : how many of the test queries are sent, drawn by the trial's seed; 0 stands for all.
    batch : queries in one call of ``offline``.
    """

    kind: Literal["single_stream", "offline"] = "single_stream"
    queries: int = 1000
    batch: int = 256

    def __post_init__(self) -> None:
        if self.queries < 0:
            raise ValueError(f"queries = {self.queries} must be 0 (all) or more")
        if self.batch < 1:
            raise ValueError(f"batch = {self.batch} must be at least 1")


@dataclass(frozen=True, slots=True)
class Timing:
    """What one timed pass gave.

    Attributes
    ----------
    answers : the answers returned while timed, in the order of the queries sent.
    total_s : from the first call to the last answer, seconds.
    latencies_s : float64 (n,), seconds per query of ``single_stream``; None for ``offline``.
    warm_up_s : seconds of untimed calls before.
    """

    answers: TopK
    total_s: float
    latencies_s: npt.NDArray[np.float64] | None
    warm_up_s: float

    @property
    def qps(self) -> float:
        """Return queries per second of the pass."""
        return len(self.answers) / self.total_s


def run_load(spec: LoadSpec, search: Search, queries: Queries, k: int, clock: Clock) -> Timing:
    """Warm up, then send ``queries`` as ``spec`` says, garbage collection off, and time it."""
    if spec.kind == "single_stream":
        return _single_stream(search, queries, k, clock)
    return _offline(search, queries, k, spec.batch, clock)


def _single_stream(search: Search, queries: Queries, k: int, clock: Clock) -> Timing:
    singles = [queries.take(np.array([row])) for row in range(len(queries))]
    warm_up_s = warm_up(search, singles, k, clock)
    answers: list[TopK] = []
    marks = np.empty(len(singles) + 1)
    with _quiet():
        marks[0] = clock()
        for row, query in enumerate(singles):
            answers.append(search(query, k))
            marks[row + 1] = clock()
    return Timing(concatenate(answers), float(marks[-1] - marks[0]), np.diff(marks), warm_up_s)


def _offline(search: Search, queries: Queries, k: int, batch: int, clock: Clock) -> Timing:
    starts = range(0, len(queries), batch)
    batches = [queries.take(np.arange(start, min(start + batch, len(queries)))) for start in starts]
    begun = clock()
    search(batches[0], k)
    warm_up_s = clock() - begun
    with _quiet():
        start = clock()
        answers = [search(one, k) for one in batches]
        total_s = clock() - start
    return Timing(concatenate(answers), total_s, None, warm_up_s)


def warm_up(search: Search, singles: list[Queries], k: int, clock: Clock) -> float:
    """Send queries until two successive windows take the same time; return the seconds spent.

    The last queries of the pass come first, so that the first timed ones were not just answered.
    """
    begun = clock()
    previous = np.inf
    position = len(singles)
    while True:
        start = clock()
        for _ in range(WARM_UP_WINDOW):
            position = (position - 1) % len(singles)
            search(singles[position], k)
        now = clock()
        if abs((now - start) / previous - 1) < WARM_UP_CHANGE or now - begun > WARM_UP_LIMIT_S:
            return now - begun
        previous = now - start


class _quiet:  # noqa: N801  reads as a word after `with`
    """Garbage collection off inside, as before outside."""

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()

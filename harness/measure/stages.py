"""Stages of a search: timed in a pass of their own, held against a pass that nobody listened to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.interactions import Queries
from harness.measure.clock import Clock
from harness.measure.sending import no_collection
from harness.retriever import Retriever
from harness.stages import no_mark

GAP = 0.10  # of the total: stages that miss it by more do not explain it
CALLS_AT_ONCE = 8  # in one block, before the other pass has its turn
TIME_LIMIT_S = 10.0  # after which no new pair of blocks begins


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Where the time of a search goes.

    Attributes
    ----------
    stages_s : stage -> mean seconds a query, in the order in which the method declares them.
    total_s : mean seconds a query of the same queries while nobody listened.
    listened_s : mean seconds a query of the pass that the stages are of.
    n_queries : queries that each of the two passes sent.
    """

    stages_s: Mapping[str, float] = field(default_factory=dict)
    total_s: float = 0.0
    listened_s: float = 0.0
    n_queries: int = 0

    @property
    def gap(self) -> float | None:
        """Return sum of the stages over the total, minus 1; None where nothing was marked."""
        if not self.stages_s or self.total_s <= 0:
            return None
        return sum(self.stages_s.values()) / self.total_s - 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what a reader should know: stages that do not add up to the total."""
        if self.gap is None or abs(self.gap) <= GAP:
            return ()
        return (f"stages add up to {1 + self.gap:.0%} of the total",)


class StageListener:
    """Hears a method's marks and keeps the seconds since the mark before for each stage."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock; on a device it waits for the device at each reading."""
        self._clock = clock
        self._last = 0.0
        self.seconds: dict[str, float] = {}

    def begin(self) -> None:
        """Take note that a call begins."""
        self._last = self._clock()

    def __call__(self, stage: str) -> None:
        """Take note that a stage ends."""
        now = self._clock()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def time_stages(
    retriever: Retriever, queries: Queries, k: int, clock: Clock, *, batch: int = 1
) -> StageTimes:
    """Return what each stage takes, and how well the stages explain the total.

    Queries go through two passes in turn, block by block: one that nobody listens to gives the
    total, one that listens gives the stages. Which comes first changes from block to block, so
    neither drift nor what the first leaves in caches favours one. After `TIME_LIMIT_S` what is
    left is not sent. A method that declares no stages is not sent anything.

    Parameters
    ----------
    batch : queries in one call.
    """
    if not retriever.search_stages or not len(queries):
        return StageTimes()
    starts = range(0, len(queries), batch)
    calls = [queries.take(np.arange(at, min(at + batch, len(queries)))) for at in starts]
    listener = StageListener(clock)
    plain_s = listened_s = 0.0
    n_sent = 0
    try:
        retriever.search(calls[0], k)  # warm
        with no_collection():
            begun = clock()
            for number, at in enumerate(range(0, len(calls), CALLS_AT_ONCE)):
                block = calls[at : at + CALLS_AT_ONCE]
                for listens in (False, True) if number % 2 == 0 else (True, False):
                    seconds = _send(retriever, block, k, clock, listener if listens else None)
                    listened_s += seconds if listens else 0.0
                    plain_s += 0.0 if listens else seconds
                n_sent += sum(len(one) for one in block)
                if clock() - begun > TIME_LIMIT_S:
                    break
    finally:
        retriever.mark = no_mark
    found = listener.seconds
    known = [name for name in retriever.search_stages if name in found]
    order = [*known, *(name for name in found if name not in known)]
    stages_s = {name: found[name] / n_sent for name in order}
    return StageTimes(stages_s, plain_s / n_sent, listened_s / n_sent, n_sent)


def _send(
    retriever: Retriever, block: list[Queries], k: int, clock: Clock, listener: StageListener | None
) -> float:
    """Send each query of a block; return seconds from the first call to the last answer."""
    retriever.mark = no_mark if listener is None else listener
    start = clock()
    for one in block:
        if listener is not None:
            listener.begin()
        retriever.search(one, k)
    return clock() - start

"""Repeated queries: whether a method remembers what it was asked.

A query that was never sent before is timed among other queries, then sent again and again. Unless
answers are kept, both take the same time: the ratio of the two, its median over many queries, is
near 1, whatever single queries cost. It must be asked before anything else is searched, for a
method that keeps every answer is fast on any query that it has met.

A processor keeps what it read last, too, and that is no fault of the method. Where the plain ratio
is above the limit, other new queries are asked with the processor's caches emptied before every
call, and that ratio decides.
"""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harness.interactions import Queries
from harness.measure.sending import Inbox, Target, no_collection, send

LIMIT = 1.10  # faster than that on a repeated query is not the same work
LEAST = 8  # queries, of which the median ratio says something
BUDGET_S = 2.0  # after which no further query is taken, once there are enough
AGAIN = 5  # times each query is sent again
CACHE_BYTES = 64 << 20  # where the system does not tell the size of the last cache
MOST_CACHE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Repeats:
    """How much faster a repeated query is than a new one.

    Attributes
    ----------
    ratio : time of a new query over the time of the same query sent again, the median over
        queries; with the processor's caches emptied before each call where ``plain`` was too high.
        None where there were too few new queries.
    plain : the same without emptying anything.
    emptied : whether caches were emptied, which takes memory for a moment.
    """

    ratio: float | None
    plain: float | None
    emptied: bool


def measure_repeats(
    target: Target, inbox: Inbox, empty_caches: Callable[[], None] | None = None
) -> Repeats:
    """Time the target's queries, which the method has not met, when new and when sent again.

    Parameters
    ----------
    empty_caches : displaces what the processor keeps; None: a `CacheEmptier`.
    """
    half = len(target.queries) // 2
    calls = [target.queries.take(np.array([row])) for row in range(len(target.queries))]
    plain = _ratio(target, calls[half:], inbox, lambda: None)
    if plain is None or plain <= LIMIT:
        return Repeats(plain, plain, emptied=False)
    emptied = _ratio(target, calls[:half], inbox, empty_caches or CacheEmptier())
    return Repeats(plain if emptied is None else emptied, plain, emptied=True)


def _ratio(
    target: Target, calls: Sequence[Queries], inbox: Inbox, before: Callable[[], None]
) -> float | None:
    ratios = []
    begun = target.clock()
    with no_collection():
        for call in calls:
            times = [_time(target, call, inbox, before) for _ in range(1 + AGAIN)]
            again = statistics.median(times[1:])
            ratios.append(times[0] / again if again > 0 else 1.0)
            if len(ratios) >= LEAST and target.clock() - begun > BUDGET_S:
                break
    return statistics.median(ratios) if len(ratios) >= LEAST else None


def _time(target: Target, call: Queries, inbox: Inbox, before: Callable[[], None]) -> int:
    """Return the nanoseconds of one call."""
    before()
    (start, end), answers = send(target.search, [call], target.k, target.clock.now_ns)
    inbox.take([call.user_ids], answers)
    return end - start


class CacheEmptier:
    """Displaces what the processor keeps, and a GPU in use, by writing more than they can hold."""

    def __init__(self) -> None:
        """Take the memory once: taking it for each call would cost more than writing it."""
        self._host = np.zeros(min(2 * _last_cache_bytes(), MOST_CACHE_BYTES), np.uint8)
        self._device = None
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it bare
            self._device = torch.zeros(MOST_CACHE_BYTES, dtype=torch.uint8, device="cuda")

    def __call__(self) -> None:
        """Write all of it."""
        self._host += 1
        if self._device is not None:
            self._device.add_(1)
            torch.cuda.synchronize()


def _last_cache_bytes() -> int:
    name = "SC_LEVEL3_CACHE_SIZE"
    found = os.sysconf(name) if name in os.sysconf_names else 0
    return found if found > 0 else CACHE_BYTES

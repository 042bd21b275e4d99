"""Repeated queries: whether a method remembers what it was asked.

A query that was never sent before is timed among other queries, then sent again and again. Unless
answers are kept, both take the same time: the ratio of the two, its median over many queries, is
near 1, whatever single queries cost. It must be asked before anything else is searched, for a
method that keeps every answer is fast on any query that it has met.

A processor keeps what it read last, too, and learns which way branches went: walking the same
graph twice in a row is faster the second time, and that is no fault of the method. Where the plain
ratio is above the limit, other new queries are asked with the processor's caches emptied before
every call. If that ratio is above the limit as well, but no more than a processor explains, further
new queries are sent in rounds, each query once a round, caches emptied between rounds: what is
remembered from one round to the next is remembered by the method. Rounds are compared by the
process's CPU time, where it works on the host: on a busy machine whole rounds wait for a CPU. What
slows a round as a whole, the first above all, slows queries that were asked before as well: they
are sent in between, and what they lose is taken off. And since a query of some microseconds is
timed to some 5 %, rounds tell the least ratio that is sure, not the one that is likely.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harness.interactions import Queries
from harness.lists import IntArray
from harness.measure.sending import Inbox, Target, no_collection, send

LIMIT = 1.10  # faster than that on a repeated query is not the same work
AT_ONCE_LIMIT = 2.0  # more than that, caches emptied, no processor learns from five repetitions
LEAST = 8  # queries, of which the median ratio says something
BUDGET_S = 2.0  # after which no further query is taken, once there are enough
ROUNDS_BUDGET_S = 10.0  # after which no further group of rounds begins
AGAIN = 5  # times each query is sent again
ROUND = 20  # new queries of a round, at most
ERROR = 0.01  # chance that the median ratio of a round is below the one told
# Written to empty caches: before a call what most processors hold, and between rounds, which are
# few, more than any does. What the system says of its last cache is wrong on virtual machines.
CALL_BYTES, ROUND_BYTES = 128 << 20, 1 << 30
DEVICE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Repeats:
    """How much faster a repeated query is than a new one.

    Attributes
    ----------
    ratio : time of a new query over the time of the same query sent again, the median over
        queries; where ``plain`` was too high, what was found with the processor's caches emptied:
        that median, or of rounds its lower bound. None where there were too few new queries to
        tell a method that remembers from a processor that does.
    plain : the same without emptying anything.
    emptied : whether caches were emptied, which takes memory for a moment.
    """

    ratio: float | None
    plain: float | None
    emptied: bool


def measure_repeats(
    target: Target,
    inbox: Inbox,
    empty_caches: Callable[[], None] | None = None,
    room_bytes: int | None = None,
) -> Repeats:
    """Time the target's queries, which the method has not met, when new and when sent again.

    Parameters
    ----------
    empty_caches : displaces what the processor keeps; None: a `CacheEmptier`.
    room_bytes : that may be taken for it; None: enough.
    """
    half = len(target.queries) // 2
    calls = [target.queries.take(np.array([row])) for row in range(len(target.queries))]
    plain = _typical(_at_once(target, calls[half:], inbox, lambda: None))
    if plain is None or plain <= LIMIT:
        return Repeats(plain, plain, emptied=False)
    room = ROUND_BYTES if room_bytes is None else room_bytes
    empty = empty_caches or CacheEmptier(min(CALL_BYTES, room))
    middle = half // 2 if half >= 2 * LEAST else half
    asked = _at_once(target, calls[:middle], inbox, empty)
    emptied = _typical(asked)
    if emptied is None:
        return Repeats(plain, plain, emptied=True)
    if LIMIT < emptied <= AT_ONCE_LIMIT:
        empty = empty_caches or CacheEmptier(min(ROUND_BYTES, room))
        emptied = _in_rounds(target, calls[middle:half], calls[: len(asked)], inbox, empty)
    return Repeats(emptied, plain, emptied=True)


def filled_by_batch(
    target: Target, inbox: Inbox, empty_caches: Callable[[], None] | None = None
) -> float | None:
    """Return how much faster queries are that came in a batch before: a cache may be filled so.

    Half of the target's queries, none of which the method has met, are sent in one call; then
    those and the others in turn, one by one. The ratio of the medians is of different queries and
    of a processor that has seen one half, so only much more than `AT_ONCE_LIMIT` is a finding; it
    is confirmed on the rest with caches emptied. None where there are too few queries, or none.
    """
    quarter = len(target.queries) // 4
    if quarter < LEAST:
        return None
    ratio = _batch_ratio(target, np.arange(2 * quarter), inbox, lambda: None)
    if ratio <= AT_ONCE_LIMIT:
        return None
    empty = empty_caches or CacheEmptier()
    ratio = _batch_ratio(target, np.arange(2 * quarter, 4 * quarter), inbox, empty)
    return ratio if ratio > AT_ONCE_LIMIT else None


def _batch_ratio(target: Target, rows: IntArray, inbox: Inbox, before: Callable[[], None]) -> float:
    known, new = rows[::2], rows[1::2]
    _, answers = send(target.search, [target.queries.take(known)], target.k, target.clock.now_ns)
    inbox.take([known], answers)
    times: tuple[list[int], list[int]] = ([], [])
    begun = target.clock()
    with no_collection():
        for pair in zip(new, known, strict=True):
            for side, row in zip(times, pair, strict=True):
                before()
                call = target.queries.take(np.array([row]))
                side.append(_time(target, call, inbox, target.clock.now_ns))
            if len(times[0]) >= LEAST and target.clock() - begun > BUDGET_S:
                break
    slow, fast = (statistics.median(side) for side in times)
    return slow / fast if fast > 0 else 1.0


def _at_once(
    target: Target, calls: Sequence[Queries], inbox: Inbox, before: Callable[[], None]
) -> list[float]:
    """Return the ratios of queries sent again at once; ``before`` precedes every call."""
    ratios = []
    begun = target.clock()
    with no_collection():
        for call in calls:
            times = []
            for _ in range(1 + AGAIN):
                before()
                times.append(_time(target, call, inbox, target.clock.now_ns))
            ratios.append(_first_over_later(times))
            if len(ratios) >= LEAST and target.clock() - begun > BUDGET_S:
                break
    return ratios


def _typical(ratios: Sequence[float]) -> float | None:
    return statistics.median(ratios) if len(ratios) >= LEAST else None


def _in_rounds(
    target: Target,
    new: Sequence[Queries],
    known: Sequence[Queries],
    inbox: Inbox,
    between: Callable[[], None],
) -> float | None:
    """Return the ratio where a query comes again after the others; ``between`` precedes a round.

    Group after group of new queries, until one is not remembered: memory that nobody has read since
    the index was built may be slow the first time, which passes with the queries that are sent.
    Each new query is followed by one that is known, those in turn.
    """
    best: float | None = None
    begun = target.clock()
    for start in range(0, len(new) - LEAST + 1, ROUND):
        with no_collection():
            pairs = list(zip(new[start : start + ROUND], itertools.cycle(known), strict=False))
            ratio = _ratio_of_group(target, pairs, inbox, between)
        best = ratio if best is None else min(best, ratio)
        if best <= LIMIT or target.clock() - begun > ROUNDS_BUDGET_S:
            break
    return best


def _ratio_of_group(
    target: Target,
    pairs: Sequence[tuple[Queries, Queries]],
    inbox: Inbox,
    between: Callable[[], None],
) -> float:
    """Return the least median ratio of the new queries that is sure, beyond that of known ones."""
    rounds: list[list[list[int]]] = []
    begun = target.clock()
    for _ in range(1 + AGAIN):
        between()
        times: list[list[int]] = []
        for pair in pairs:
            times.append([_time(target, one, inbox, target.clock.work_ns) for one in pair])
            if len(times) >= LEAST and target.clock() - begun > BUDGET_S:
                break  # slow queries: fewer are enough
        pairs = pairs[: len(times)]
        rounds.append(times)
    by_query = [one[: len(pairs)] for one in rounds]
    ratios, machine = (
        [_first_over_later([one[at][side] for one in by_query]) for at in range(len(pairs))]
        for side in (0, 1)
    )
    return _sure(ratios) / max(1.0, statistics.median(machine))


def _sure(ratios: Sequence[float]) -> float:
    """Return what their median is above but for a chance of `ERROR` (or of 2^-n, if larger).

    The m-th smallest is above the median with the chance of fewer than m heads in n throws.
    """
    n, ordered = len(ratios), sorted(ratios)
    chance, surely = 0.0, ordered[0]
    for heads, ratio in enumerate(ordered):
        chance += math.comb(n, heads) / 2**n
        if chance > ERROR:
            break
        surely = ratio
    return surely


def _first_over_later(times: Sequence[int]) -> float:
    again = statistics.median(times[1:])
    return times[0] / again if again > 0 else 1.0


def _time(target: Target, call: Queries, inbox: Inbox, read_ns: Callable[[], int]) -> int:
    """Return the nanoseconds of one call by a clock."""
    (start, end), answers = send(target.search, [call], target.k, read_ns)
    inbox.take([call.user_ids], answers)
    return end - start


class CacheEmptier:
    """Displaces what the processor keeps, and a GPU in use, by writing more than they can hold."""

    def __init__(self, n_bytes: int = CALL_BYTES) -> None:
        """Take the memory once: taking it for each call would cost more than writing it."""
        self._host = np.ones(n_bytes, np.uint8)  # zeros would be taken when first written to
        self._device = None
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it bare
            self._device = torch.zeros(DEVICE_BYTES, dtype=torch.uint8, device="cuda")

    def __call__(self) -> None:
        """Write all of it."""
        self._host += 1
        if self._device is not None:
            self._device.add_(1)
            torch.cuda.synchronize()

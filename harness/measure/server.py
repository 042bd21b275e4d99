"""Server: queries arrive at random moments, whether or not the answers before them have come.

Latency counts from the scheduled arrival, so a query that waits while another is answered, or
while the method stalls, waits in the numbers too. A closed loop would not have sent it.

References
----------
MLPerf inference rules, scenario "server"; Tene, "How NOT to measure latency", 2013 (coordinated
omission).
"""

import math
from dataclasses import dataclass

import numpy as np

from harness.lists import IntArray
from harness.measure.closed_loop import sliced
from harness.measure.sending import Answer, Inbox, Target, no_collection
from harness.measure.timing import Seconds

KEPT = 100_000  # answers of one pass that are kept to be checked; of more, a random part
PATIENCE = 5.0  # a pass may last so many times its schedule, and so many seconds on top


@dataclass(frozen=True, slots=True)
class Stream:
    """Which queries arrive and when.

    Attributes
    ----------
    rows : int64 (n,), a row of the queries for each arrival.
    arrivals_s : float64 (n,), never falling, seconds after the start.
    batch : the most waiting queries that one call answers.
    """

    rows: IntArray
    arrivals_s: Seconds
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a stream: of its first n arrivals, all of them unless it was ended early.

    Attributes
    ----------
    latencies_s : float64 (n,), from the scheduled arrival to the answer.
    total_s : from the start to the last answer.
    ended_early : more queries than allowed were too late, or the pass ran out of patience.
    """

    latencies_s: Seconds
    total_s: float
    ended_early: bool


def poisson_arrivals(rate: float, n: int, random: np.random.Generator) -> Seconds:
    """Return n arrival times of a Poisson process of ``rate`` a second, float64 (n,), from 0 on."""
    return np.cumsum(random.exponential(1.0 / rate, size=n))


def serve(
    target: Target,
    stream: Stream,
    inbox: Inbox,
    random: np.random.Generator,
    *,
    bound_s: float = math.inf,
) -> Served:
    """Answer the stream in order of arrival, as many waiting queries in a call as its batch says.

    Parameters
    ----------
    random : draws which answers are kept where they are too many to keep all.
    bound_s : the pass ends as soon as so many queries waited longer that the 99th percentile of
        the whole stream must lie above it.

    Notes
    -----
    Taking the waiting queries together for one call is part of the service and of its latency.
    """
    n = stream.rows.size
    due = (stream.arrivals_s * 1e9).astype(np.int64)
    keep = random.random(n) < KEPT / n if n > KEPT else np.ones(n, bool)
    with no_collection():
        finished, kept, answers, total_ns = _loop(
            target, stream, due.tolist(), keep.tolist(), bound_s
        )
    inbox.take(kept, answers)
    latencies = (np.array(finished, dtype=np.int64) - due[: len(finished)]).astype(np.float64)
    return Served(latencies * 1e-9, total_ns * 1e-9, len(finished) < n)


def _loop(
    target: Target,
    stream: Stream,
    due: list[int],
    keep: list[bool],
    bound_s: float,
) -> tuple[list[int], list[IntArray], list[Answer], int]:
    """Return when each query was answered, nanoseconds after the start, and the kept answers."""
    rows, batch, n = stream.rows, stream.batch, len(due)
    make_call = sliced(target.queries, batch)
    search, k, now_ns = target.search, target.k, target.clock.now_ns
    patience_ns = int(PATIENCE * (due[-1] + 1e9))
    bound_ns = math.inf if math.isinf(bound_s) else int(bound_s * 1e9)
    late_allowed = n // 100  # one more puts the 99th percentile above the bound
    finished: list[int] = []
    kept: list[IntArray] = []
    answers: list[Answer] = []
    first = n_late = now = 0
    start = now_ns()
    while first < n:
        if due[first] > now:
            target.clock.wait_until_ns(start + due[first])
            now = now_ns() - start
        last = first + 1
        while last < n and last - first < batch and due[last] <= now:
            last += 1
        asked = rows[first:last]
        try:
            answer: Answer = search(make_call(asked), k)
        except MemoryError:
            raise
        except Exception as error:  # counted: the row is INVALID, the rest goes on
            answer = error
        now = now_ns() - start
        for position in range(first, last):
            finished.append(now)
            n_late += now - due[position] > bound_ns
        if keep[first] or isinstance(answer, Exception):
            kept.append(asked)
            answers.append(answer)
        first = last
        if n_late > late_allowed or now > patience_ns:
            break
    return finished, kept, answers, now

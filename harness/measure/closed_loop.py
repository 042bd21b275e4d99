"""Closed loops: the next call goes out when the one before is answered.

A pass is made of blocks of whole rounds, so that each query counts as often as the mix says. The
clock stands between blocks, where answers are checked and dropped: memory stays bounded however
long a pass lasts. A block is long, as the first call after a check finds the caches cold.
"""

import gc
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness.interactions import Queries
from harness.lists import IntArray
from harness.measure.load_spec import LoadSpec
from harness.measure.mix import rounds
from harness.measure.sending import Answer, Target, as_it_is, no_collection, send, send_all
from harness.measure.timing import Conditions, Seconds, Timing

BLOCK = 8192  # queries between two stops of the clock at most, rounded up to whole rounds
AHEAD = 1.1  # a block is so much longer than what the rate so far says is still missing
# One sample of a rate must last longer than what the clock and the system add to it.
LEAST_S = {"single_stream": 0.01, "batch": 0.1, "offline": 0.1}

Slice = Callable[[IntArray], Any]


def closed_loop(spec: LoadSpec, target: Target, conditions: Conditions) -> Timing:
    """Time ``single_stream``, ``batch`` or ``offline``; the method is warm."""
    inbox = target.inbox(conditions.check)
    least_s = max(conditions.profile.min_s, LEAST_S[spec.kind])
    random = np.random.default_rng(conditions.seed)
    make_call = sliced(target.queries, spec.call_size, target.prepare)
    orders = rounds(spec, len(target.queries), random)
    sent: list[IntArray] = []
    times: list[Seconds] = []
    n_sent = total_ns = 0
    wanted = max(1, conditions.profile.min_queries)
    with no_collection():
        while wanted > 0:
            rows = _block(spec, orders, wanted)
            readings, answers = _timed(spec, target, [make_call(one) for one in rows])
            total_ns += readings[-1] - readings[0]
            times.append(np.diff(np.array(readings, dtype=np.int64)).astype(np.float64) * 1e-9)
            inbox.take(rows, answers)
            sent += rows
            n_sent += sum(len(one) for one in rows)
            wanted = _still_wanted(n_sent, total_ns * 1e-9, least_s)
            del answers
            gc.collect(1)  # cycles that the method left in this block, without a walk of the heap
    seconds = np.concatenate(times)
    return Timing(
        rows=np.concatenate(sent),
        total_s=total_ns * 1e-9,
        warm_up_s=0.0,
        latencies_s=seconds if spec.kind == "single_stream" else None,
        calls_s=seconds if spec.kind == "batch" else None,
        n_errors=inbox.n_errors,
        first_error=inbox.first_error,
    )


def sliced(queries: Queries, size: int, prepare: Callable[[Queries], Any] = as_it_is) -> Slice:
    """Return what makes a call of rows; calls of one query are made once and kept."""
    if size != 1:
        return lambda rows: prepare(queries.take(rows))
    singles = [prepare(queries.take(np.array([row]))) for row in range(len(queries))]
    return lambda rows: singles[rows[0]]


def cut(rows: IntArray, size: int, *, whole: bool = False) -> list[IntArray]:
    """Return ``rows`` in pieces of ``size`` (0: one piece); the last may be short, or is left out.

    Fewer rows than ``size`` are one piece in any case.
    """
    if size == 0 or size >= rows.size:
        return [rows]
    pieces = [rows[start : start + size] for start in range(0, rows.size, size)]
    return pieces[:-1] if whole and pieces[-1].size < size else pieces


def _timed(spec: LoadSpec, target: Target, calls: list[Any]) -> tuple[list[int], list[Answer]]:
    now_ns = target.clock.now_ns
    if spec.kind != "offline":
        return send(target.search, calls, target.k, now_ns)
    start = now_ns()
    answers = send_all(target.search, calls, target.k)
    return [start, now_ns()], answers


def _block(spec: LoadSpec, orders: Iterator[IntArray], wanted: int) -> list[IntArray]:
    """Return the calls of as many whole rounds as hold ``wanted`` queries."""
    calls: list[IntArray] = []
    n = 0
    while n < wanted:
        found = cut(next(orders), spec.call_size, whole=spec.kind == "batch")
        calls += found
        n += sum(one.size for one in found)
    return calls


def _still_wanted(n_sent: int, total_s: float, least_s: float) -> int:
    """Return how many queries the next block must hold, 0 when the pass lasted long enough."""
    if total_s >= least_s:
        return 0
    if total_s <= 0:
        return BLOCK
    return min(BLOCK, math.ceil(AHEAD * n_sent * (least_s - total_s) / total_s))

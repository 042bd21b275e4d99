"""Closed loops: the next call goes out when the one before is answered.

A pass is made of blocks of whole rounds, so that each query counts as often as the mix says. The
clock stands between blocks, where answers are checked and dropped: memory stays bounded however
long a pass lasts.
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

BLOCK = 1024  # queries between two stops of the clock, rounded up to whole rounds
# One sample of a rate must last longer than what the clock and the system add to it.
LEAST_S = {"single_stream": 0.01, "batch": 0.1, "offline": 0.1}

Slice = Callable[[IntArray], Any]


def closed_loop(spec: LoadSpec, target: Target, conditions: Conditions) -> Timing:
    """Time ``single_stream``, ``batch`` or ``offline``; the method is warm."""
    inbox = target.inbox(conditions.check)
    least_s = max(conditions.profile.min_s, LEAST_S[spec.kind])
    random = np.random.default_rng(conditions.seed)
    make_call = sliced(target.queries, spec.call_size, target.prepare)
    sent: list[IntArray] = []
    times: list[Seconds] = []
    total_ns = 0
    n_sent = 0
    with no_collection():
        for rows in _blocks(spec, len(target.queries), conditions.profile.min_queries, random):
            calls = [make_call(one) for one in rows]
            readings, answers = _timed(spec, target, calls)
            total_ns += readings[-1] - readings[0]
            times.append(np.diff(np.array(readings, dtype=np.int64)).astype(np.float64) * 1e-9)
            inbox.take(rows, answers)
            sent += rows
            n_sent += sum(len(one) for one in rows)
            if n_sent >= conditions.profile.min_queries and total_ns * 1e-9 >= least_s:
                break
            gc.collect(0)  # what is new alone: all of it would take longer than a short block
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


def _blocks(
    spec: LoadSpec, n: int, min_queries: int, random: np.random.Generator
) -> Iterator[list[IntArray]]:
    """Yield the calls of block after block; the first holds the least number of queries."""
    orders = rounds(spec, n, random)
    whole = spec.kind == "batch"
    per_round = sum(one.size for one in cut(np.arange(n), spec.call_size, whole=whole))
    wanted = min_queries
    while True:
        calls: list[IntArray] = []
        for _ in range(max(1, math.ceil(wanted / per_round))):
            calls += cut(next(orders), spec.call_size, whole=whole)
        yield calls
        wanted = BLOCK

"""Load: how queries reach a method while it is timed, and what is kept of it.

Host memory to host memory. ``single_stream`` gives the latency of each query, ``batch`` the time of
each call, ``offline`` a rate alone: the time of a batch is not what any query waited. ``server``
gives latencies under an offered rate, or finds the highest rate it can keep a promise at.
"""

import dataclasses

import numpy as np

from harness.interactions import Queries
from harness.measure.clock import Clock
from harness.measure.closed_loop import closed_loop, cut, sliced
from harness.measure.load_spec import LoadSpec
from harness.measure.offered import at_highest_rate, at_rate
from harness.measure.sending import Inbox, Search, Target
from harness.measure.timing import Conditions, Timing
from harness.measure.warm_up import WarmUp, warm_up


def run_load(
    spec: LoadSpec,
    search: Search,
    queries: Queries,
    k: int,
    clock: Clock,
    conditions: Conditions | None = None,
) -> Timing:
    """Warm up, then send ``queries`` as ``spec`` says, garbage collection off, and time it.

    ``spec.queries`` and the head and tail of ``spec.mix`` were applied by the caller, which knows
    the other test queries; see `harness.measure.mix.choose_rows`.
    """
    conditions = conditions or Conditions()
    target = Target(search, queries, k, clock, conditions.prepare, conditions.finish)
    untimed = target.inbox()
    warm = _warm(spec, target, conditions, untimed)
    timing = _timed(spec, target, conditions)
    warnings = [*timing.warnings]
    if not warm.settled:
        warnings.append(f"times did not settle within {warm.seconds:.1f} s of warming up")
    if spec.kind == "batch" and spec.call_size > len(queries):
        warnings.append(f"calls hold {len(queries)} queries: there are no {spec.call_size}")
    return dataclasses.replace(
        timing,
        warm_up_s=warm.seconds,
        n_untimed_errors=timing.n_untimed_errors + untimed.n_errors,
        first_error=timing.first_error or untimed.first_error,
        warnings=tuple(warnings),
    )


def _timed(spec: LoadSpec, target: Target, conditions: Conditions) -> Timing:
    if spec.rate is not None:
        return at_rate(spec, spec.rate, target, conditions)
    if spec.max_p99_s is not None:
        return at_highest_rate(spec, spec.max_p99_s, target, conditions)
    return closed_loop(spec, target, conditions)


def _warm(spec: LoadSpec, target: Target, conditions: Conditions, inbox: Inbox) -> WarmUp:
    spare, n = conditions.spare or target.queries, len(target.queries)
    # those of a server are sent one by one: warming up must not outlast a call of all that wait
    size = 1 if spec.kind == "server" else spec.call_size
    if len(spare) < min(size or n, n):
        spare = target.queries  # too few to fill a call like the timed ones
    backwards = np.arange(len(spare))[::-1]  # were they timed too, the first would not come first
    make_call = sliced(spare, size, target.prepare)
    pieces = cut(backwards, size, whole=True)
    calls = [make_call(rows) for rows in pieces]
    profile = conditions.profile
    limits = (profile.warm_up_s, profile.warm_up_most_s)
    return warm_up(target, calls, inbox, *limits, size=pieces[0].size)

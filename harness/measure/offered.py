"""Offered rates: one pass of the server at a rate, or the highest rate it keeps a promise at."""

import dataclasses
import math

import numpy as np

from harness.measure.closed_loop import closed_loop
from harness.measure.load_spec import LoadSpec
from harness.measure.max_rate import PRECISION, STEP_QUERIES, SUSTAINED, Step, find_max_rate
from harness.measure.mix import first_sends
from harness.measure.profile import Profile
from harness.measure.sending import Target
from harness.measure.server import Served, Stream, poisson_arrivals, serve
from harness.measure.timing import Conditions, Seconds, Timing
from harness.seeding import generator
from harness.stats import percentile_or_none

CONFIRM = 5  # whole passes at most, each at a rate lower by PRECISION, until one keeps the bound
CAPACITY = Profile(min_s=0.1, min_queries=200, top_percentile=50, repeats=1, warm_up_s=0.0)


def at_rate(
    spec: LoadSpec,
    rate: float,
    target: Target,
    conditions: Conditions,
    *,
    bound_s: float = math.inf,
) -> Timing:
    """Time one pass at an offered rate, as long as the profile asks and all queries take.

    With a bound it holds enough queries for a p99, and ends once that must lie above the bound.
    """
    inbox = target.inbox(conditions.check)
    profile, seed, n_queries = conditions.profile, conditions.seed, len(target.queries)
    # a little longer, as the arrivals of a Poisson process may come early
    n = max(profile.min_queries, n_queries, math.ceil(1.2 * profile.min_s * rate))
    n = max(n, 0 if math.isinf(bound_s) else STEP_QUERIES)
    stream = _stream(spec, rate, n, n_queries, seed, "pass")
    served = serve(target, stream, inbox, generator(seed, "kept"), bound_s=bound_s)
    n_sent = served.latencies_s.size
    qps, realised = n_sent / served.total_s, _realised(stream)
    fell_behind = None
    if qps < SUSTAINED * realised and _grows(served.latencies_s):
        answered = f"answered {qps:.4g} of {realised:.4g} queries/s"
        fell_behind = f"overloaded: {answered}, so latency grows with the length of the pass"
    return Timing(
        rows=stream.rows[:n_sent],
        total_s=served.total_s,
        warm_up_s=0.0,
        latencies_s=served.latencies_s,
        arrivals_s=stream.arrivals_s[:n_sent],
        n_errors=inbox.n_errors,
        first_error=inbox.first_error,
        offered_qps=rate,
        overloaded=served.ended_early,
        fell_behind=fell_behind,
    )


def _grows(latencies_s: Seconds) -> bool:
    """Return whether the last quarter of a pass waited twice as long as the first."""
    quarter = max(1, latencies_s.size // 4)
    return float(latencies_s[-quarter:].mean()) > 2 * float(latencies_s[:quarter].mean())


def at_highest_rate(
    spec: LoadSpec, bound_s: float, target: Target, conditions: Conditions
) -> Timing:
    """Find the highest rate whose p99 stays under ``bound_s``, and time a whole pass at it.

    Steps of the search are short, and a queue near its limit grows slowly. So the whole pass must
    keep the bound too; where it does not, it is timed again at a rate lower by `PRECISION`.
    No rate may do: then ``max_qps`` is 0, no pass is timed, and a warning says so.
    """
    inbox = target.inbox(conditions.check)
    closed = dataclasses.replace(spec, kind="batch", max_p99_s=None)
    capacity = closed_loop(closed, target, dataclasses.replace(conditions, profile=CAPACITY))
    assert capacity.qps is not None, "a closed loop sends queries"
    steps = iter(range(1000))

    def probe(rate: float) -> Step:
        purpose, seed = f"step/{next(steps)}", conditions.seed
        stream = _stream(spec, rate, STEP_QUERIES, len(target.queries), seed, purpose)
        served = serve(target, stream, inbox, generator(seed, "kept"), bound_s=bound_s)
        return _step(rate, stream, served, bound_s)

    found = find_max_rate(probe, capacity.qps)
    timing = Timing(rows=np.zeros(0, np.int64), total_s=0.0, warm_up_s=0.0)
    n_untimed = inbox.n_errors + capacity.n_errors
    for tried in range(CONFIRM if found.rate > 0 else 0):
        n_untimed += timing.n_errors  # of a pass that gives way to another
        rate = found.rate * (1 - PRECISION) ** tried
        timing = at_rate(spec, rate, target, conditions, bound_s=bound_s)
        if not _doubts(timing, bound_s):
            break
    return dataclasses.replace(
        timing,
        max_qps=timing.offered_qps or 0.0,
        rate_curve=found.curve,
        n_untimed_errors=n_untimed,
        first_error=timing.first_error or capacity.first_error or inbox.first_error,
        warnings=(*timing.warnings, *_doubts(timing, bound_s)),
    )


def _doubts(timing: Timing, bound_s: float) -> list[str]:
    """Say where the highest rate is not one that the timed pass bears out."""
    bound = f"p99 under max_p99_s = {bound_s:g}"
    if timing.latencies_s is None:
        return [f"no offered rate kept {bound}"]
    p99_s = percentile_or_none(timing.latencies_s, 99)
    if timing.overloaded or p99_s is None:
        return [f"at max_qps the whole pass was ended, as it could not keep {bound}"]
    if p99_s > bound_s:
        return [f"at max_qps the whole pass did not keep {bound}: {p99_s:.3g} s"]
    return []


def _stream(spec: LoadSpec, rate: float, n_sends: int, n: int, seed: int, purpose: str) -> Stream:
    rows = first_sends(spec, n, n_sends, generator(seed, f"order/{purpose}"))
    arrivals = poisson_arrivals(rate, n_sends, generator(seed, f"arrivals/{purpose}"))
    return Stream(rows, arrivals, spec.call_size)


def _step(rate: float, stream: Stream, served: Served, bound_s: float) -> Step:
    n = served.latencies_s.size
    qps = n / served.total_s
    point = {"offered_qps": rate, "qps": qps, "n_timed": float(n)}
    p50_s, p99_s = (percentile_or_none(served.latencies_s, percent) for percent in (50, 99))
    if served.ended_early or p50_s is None or p99_s is None:
        return Step(point, sustained=False)
    point |= {"latency_p50_s": p50_s, "latency_p99_s": p99_s}
    return Step(point, p99_s <= bound_s and qps >= SUSTAINED * _realised(stream))


def _realised(stream: Stream) -> float:
    """Return the rate at which the queries of a stream did arrive, which is random too."""
    return stream.rows.size / float(stream.arrivals_s[-1])

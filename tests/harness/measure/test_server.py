"""A server's latency counts from the scheduled arrival, so what waits is seen to wait."""

import dataclasses
import time

import numpy as np
import pytest

from harness.measure import server
from harness.measure.clock import Clock
from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.profile import Profile
from harness.measure.sending import Inbox, Target
from harness.measure.server import Stream, poisson_arrivals, serve
from harness.measure.timing import Conditions
from harness.stats import percentile_or_none
from harness.topk import TopK


def random():
    return np.random.default_rng(0)


@pytest.fixture
def served(service):
    """Return what serves arrivals, one user a row; gives what was served and the inbox."""

    def run(seconds, arrivals_s, *, rows=None, batch=1, bound_s=float("inf"), **options):
        n = len(arrivals_s)
        rows = np.arange(n) if rows is None else rows
        one = service(seconds, **options)
        inbox = Inbox(3)
        stream = Stream(rows, np.asarray(arrivals_s, float), batch)
        found = serve(one.target(rows.max() + 1), stream, inbox, random(), bound_s=bound_s)
        return found, one, inbox

    return run


def test_who_waits_is_seen_to_wait(served):
    """Service takes 2 s; arrivals at 1, 2 and 10 s: the second waits 1 s for the first."""
    found, one, _ = served(2.0, [1, 2, 10])
    np.testing.assert_allclose(found.latencies_s, [2, 3, 2])
    assert found.total_s == pytest.approx(12)
    assert not found.ended_early
    assert one.calls == [[0], [1], [2]]


def test_waiting_queries_go_together_up_to_the_batch(served):
    """Five wait when the first is done: three go in one call, then two; all wait for their call."""
    found, one, _ = served(2.0, [1, 1.1, 1.2, 1.3, 1.4, 1.5, 20], batch=3)
    assert one.calls == [[0], [1, 2, 3], [4, 5], [6]]
    np.testing.assert_allclose(found.latencies_s, [2, 3.9, 3.8, 3.7, 5.6, 5.5, 2])


def test_arrivals_are_a_poisson_process_of_the_rate():
    """Gaps of 100,000 arrivals at 50 a second: mean and spread 20 ms, a share 1/e above the mean.

    Standard errors are 0.3 %, 0.4 % and 0.0015; four of them are allowed.
    """
    arrivals = poisson_arrivals(50, 100_000, random())
    gaps = np.diff(arrivals)
    assert gaps.mean() == pytest.approx(0.02, rel=0.0127)
    assert gaps.std() == pytest.approx(0.02, rel=0.018)
    assert (gaps > 0.02).mean() == pytest.approx(np.exp(-1), abs=0.0061)
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 0.0127
    assert (poisson_arrivals(50, 100_000, random()) == arrivals).all()


def test_a_constant_service_waits_as_queue_theory_says(served):
    """M/D/1 at 70 % load: the mean wait is rho s / (2 (1 - rho)) = 1.17 ms for s = 1 ms."""
    n, s, rho = 100_000, 0.001, 0.7
    found, _, _ = served(s, poisson_arrivals(rho / s, n, random()), rows=np.arange(n) % 100)
    waits = found.latencies_s - s
    assert waits.mean() == pytest.approx(rho * s / (2 * (1 - rho)), rel=0.05)
    assert (waits < 1e-9).mean() == pytest.approx(1 - rho, abs=0.01)  # who finds it idle


def test_a_random_service_waits_as_queue_theory_says(served):
    """M/M/1 at 50 % load: latency is exponential with mean s / (1 - rho), p99 4.6 times that."""
    n, s, rho = 100_000, 0.001, 0.5
    times = np.random.default_rng(1).exponential(s, n)
    found, _, _ = served(
        lambda number, users: times[number],
        poisson_arrivals(rho / s, n, random()),
        rows=np.arange(n) % 100,
    )
    mean = s / (1 - rho)
    assert found.latencies_s.mean() == pytest.approx(mean, rel=0.05)
    p99_s = percentile_or_none(found.latencies_s, 99)
    assert p99_s == pytest.approx(-np.log(0.01) * mean, rel=0.1)


def test_a_stall_shows_in_p99_where_a_closed_loop_hides_it(service, clock, queries):
    """A 1 ms search stalls for 100 ms once in 1,000 queries.

    The closed loop meets one stall in 1,000 queries: its p99 stays 1 ms. At 500 queries a second
    about 50 arrive during each stall and 50 more until the queue is empty: p99 is tens of ms.
    """

    def stalling(number, users):
        return 0.1 if number % 1000 == 500 else 0.001

    profile = Profile(min_s=0, min_queries=10_000, top_percentile=99, repeats=1, warm_up_s=0)
    conditions = Conditions(profile=profile)
    p99_s = {}
    for spec in (LoadSpec("single_stream"), LoadSpec("server", rate=500.0)):
        one = service(stalling)
        timing = run_load(spec, one.search, queries(1000), 3, clock, conditions)
        p99_s[spec.kind] = percentile_or_none(timing.latencies_s, 99)
    assert p99_s["single_stream"] == pytest.approx(0.001)
    assert p99_s["server"] > 0.05


def test_a_bound_that_is_lost_ends_the_pass(served):
    """Of 1,000 queries 10 may be late; the 11th late one ends it."""
    arrivals = np.arange(1000) * 0.1
    found, one, _ = served(lambda number, users: 0.05 + (number >= 300), arrivals, bound_s=0.5)
    assert found.ended_early
    assert len(one.calls) == 311
    assert found.latencies_s.size == 311


def test_a_bound_that_is_kept_does_not(served):
    """Ten late queries of 1,000 leave the 99th percentile under the bound."""
    slow = range(100, 110)
    found, one, _ = served(
        lambda number, users: 0.6 if number in slow else 0.05, np.arange(1000), bound_s=0.5
    )
    assert not found.ended_early
    assert len(one.calls) == 1000
    assert percentile_or_none(found.latencies_s, 99) == pytest.approx(0.05)


def test_an_overloaded_server_ends_before_its_queue_is_empty(service, clock, queries):
    """Service of 1 s, ten arrivals a second: 1,000 would take ten times their schedule."""
    one = service(1.0)
    profile = Profile(min_s=0, min_queries=1000, top_percentile=99, repeats=1, warm_up_s=0)
    timing = run_load(
        LoadSpec("server", rate=10.0), one.search, queries(100), 3, clock, Conditions(profile)
    )
    assert timing.overloaded
    schedule_s = 100  # 1,000 arrivals, within sampling error
    limit_s = server.PATIENCE * (schedule_s + 1)
    assert timing.total_s == pytest.approx(limit_s, rel=0.15)
    assert timing.n_timed == timing.latencies_s.size == timing.arrivals_s.size
    assert timing.n_timed < 700
    assert "overloaded: answered" in timing.fell_behind


def test_errors_take_their_place_in_the_queue(served):
    """A query that raises after 2 s delays the next one, and is counted."""

    def answer(number, users, found):
        if number == 0:
            raise KeyError("gone")
        return found

    found, _, inbox = served(2.0, [1, 2], answer=answer)
    np.testing.assert_allclose(found.latencies_s, [2, 3])
    assert inbox.n_errors == 1
    assert inbox.first_error == "KeyError: 'gone'"


def test_of_too_many_answers_a_random_part_is_checked(service, monkeypatch):
    """With room for 100 of 1,000 about 100 are handed on, but every error is counted."""
    monkeypatch.setattr(server, "KEPT", 100)
    handed = []
    inbox = Inbox(3, lambda rows, found: handed.extend(rows.tolist()))

    def answer(number, users, found):
        if number % 100 == 7:
            raise ValueError("no answer")
        return found

    one = service(0.001, answer=answer)
    stream = Stream(np.arange(1000), np.arange(1000) * 0.01)
    serve(one.target(1000), stream, inbox, random())
    assert inbox.n_errors == 10
    assert 60 < len(handed) < 140  # binomial, sd 9.5
    assert max(handed) > 800


def test_a_pass_at_a_rate_holds_the_profile(service, clock, queries):
    """10 s at 300 queries a second: at least 10 s, at least 1,000 queries, arrivals recorded."""
    profile = Profile(min_s=10, min_queries=1000, top_percentile=99, repeats=1, warm_up_s=0)
    spec = LoadSpec("server", rate=300.0)
    conditions = Conditions(profile, seed=4)
    timing = run_load(spec, service(0.001).search, queries(50), 3, clock, conditions)
    assert timing.total_s >= 10
    assert timing.offered_qps == 300.0
    assert timing.n_timed == 3600
    assert timing.qps == pytest.approx(300, rel=0.07)  # 3,600 arrivals: sd 1.7 %
    counts = np.bincount(timing.rows)
    assert counts.min() == counts.max() == 72
    other = dataclasses.replace(conditions, seed=5)
    again = [
        run_load(spec, service(0.001).search, queries(50), 3, clock, one)
        for one in (conditions, other)
    ]
    assert (again[0].arrivals_s == timing.arrivals_s).all()
    assert (again[1].arrivals_s != timing.arrivals_s).any()


def test_a_real_stall_is_seen_by_those_who_arrive_meanwhile(queries):
    """On the real clock: 200 arrivals in 0.4 s, and a stall of 0.1 s at the 50th.

    Some 50 queries arrive while it lasts, so a tenth of all wait at least 40 ms.
    """
    calls = []

    def search(asked, k):
        calls.append(len(asked))
        if len(calls) == 50:
            time.sleep(0.1)
        shape = (len(asked), k)
        return TopK(np.zeros(shape, np.int64), np.zeros(shape, np.float32))

    stream = Stream(np.arange(200), np.arange(1, 201) * 0.002)
    found = serve(Target(search, queries(200), 1, Clock()), stream, Inbox(1), random())
    assert found.total_s >= 0.4
    assert found.latencies_s.min() >= 0
    assert (found.latencies_s > 0.04).sum() >= 20
    assert found.latencies_s[49] >= 0.1

"""The highest rate that keeps a bound is found, and is 0 where there is none."""

import numpy as np
import pytest

from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.max_rate import MAX_STEPS, PRECISION, Step, find_max_rate
from harness.measure.profile import SMOKE
from harness.measure.server import poisson_arrivals
from harness.measure.timing import Conditions


def sustained_up_to(limit, asked):
    """Return a probe that sustains every rate up to a limit, and keeps what it was asked."""

    def probe(rate):
        asked.append(rate)
        return Step({"offered_qps": rate}, rate <= limit)

    return probe


@pytest.mark.parametrize("limit", [1.0, 3.3, 40.0, 77.0, 99.9, 100.0, 101.0, 160.0, 700.0])
def test_a_known_limit_is_found_within_the_precision(limit):
    """From a capacity of 100, limits from a hundredth to seven times that."""
    asked = []
    found = find_max_rate(sustained_up_to(limit, asked), 100.0)
    assert limit * (1 - PRECISION) <= found.rate <= limit
    assert len(asked) <= MAX_STEPS + 5
    assert [one["offered_qps"] for one in found.curve] == sorted(asked)


def test_no_rate_will_do():
    """Ten halvings, then 0."""
    asked = []
    found = find_max_rate(sustained_up_to(0.0, asked), 512.0)
    assert found.rate == 0.0
    assert asked == [512.0 / 2**step for step in range(MAX_STEPS)]


def test_a_server_without_a_limit_is_left_after_ten_steps():
    """Each step asks for a quarter more; the last that was sustained is the answer."""
    asked = []
    found = find_max_rate(sustained_up_to(float("inf"), asked), 8.0)
    assert len(asked) == MAX_STEPS
    assert found.rate == asked[-1] == pytest.approx(8.0 * 1.25**9)


def p99_of_constant_service(rate, service_s):
    """Return the p99 latency of M/D/1 over 300,000 arrivals, by Lindley's recursion."""
    arrivals = poisson_arrivals(rate, 300_000, np.random.default_rng(11))
    # the answer to query i leaves at max over j <= i of arrival j + (i - j + 1) services
    served = np.arange(1, arrivals.size + 1) * service_s
    leaves = served + np.maximum.accumulate(arrivals - (served - service_s))
    return np.quantile(leaves - arrivals, 0.99)


def run(service, clock, queries, bound_s, n=100, **options):
    one = service(options.pop("seconds", 0.001), **options)
    spec = LoadSpec("server", max_p99_s=bound_s)
    return run_load(spec, one.search, queries(n), 3, clock, Conditions(SMOKE))


def test_the_highest_rate_of_a_constant_service(service, clock, queries):
    """1 ms a query, p99 at most 5 ms: the rate found is one that keeps the bound in the long run.

    Steps of 662 queries are short, so a quarter of the bound is allowed to chance on both sides.
    """
    timing = run(service, clock, queries, 0.005)
    assert p99_of_constant_service(timing.max_qps, 0.001) < 0.005 * 1.25
    assert p99_of_constant_service(timing.max_qps * 1.1, 0.001) > 0.005 * 0.75
    assert timing.max_qps == timing.offered_qps < 1000
    assert np.quantile(timing.latencies_s, 0.99) <= 0.005  # the whole pass keeps it
    assert timing.n_timed >= 662
    rates = [one["offered_qps"] for one in timing.rate_curve]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(1000, rel=0.01)  # the closed loop's rate comes first


def test_a_bound_below_the_service_time_cannot_be_met(service, clock, queries):
    """1 ms a query, p99 at most 0.9 ms: rate 0, no pass, and a warning."""
    timing = run(service, clock, queries, 0.0009)
    assert timing.max_qps == 0.0
    assert timing.n_timed == 0
    assert (timing.qps, timing.latencies_s, timing.offered_qps) == (None, None, None)
    assert len(timing.rate_curve) == MAX_STEPS
    assert "no offered rate kept p99 under max_p99_s = 0.0009" in timing.warnings


def test_a_rate_the_whole_pass_does_not_bear_out_gives_way(service, clock, queries):
    """Service is 1 ms until the search for the rate is over, then 1.1 ms: a lower rate is timed."""
    steady = run(service, clock, queries, 0.005, n=2000)
    n_before = len(steady.rate_curve) * 662 + 250  # the steps, the closed loop and the warm-up

    def slower(number, users):
        return 0.001 if number < n_before else 0.0011

    timing = run(service, clock, queries, 0.005, n=2000, seconds=slower)
    assert timing.max_qps < steady.max_qps
    assert np.quantile(timing.latencies_s, 0.99, method="inverted_cdf") <= 0.005


def test_a_rate_that_no_whole_pass_bears_out_is_overloaded(service, clock, queries):
    """Service is ten times as slow once the search is over: the pass is marked as ended early."""

    def slower(number, users):
        return 0.001 if number < 5000 else 0.01

    timing = run(service, clock, queries, 0.005, n=2000, seconds=slower)
    assert timing.overloaded
    assert any("at max_qps the whole pass was ended" in one for one in timing.warnings)


def test_errors_of_the_search_are_told(service, clock, queries):
    """A step that raised is no step of the timed pass, but the row says that it did."""

    def answer(number, users, found):
        if number == 300:
            raise ValueError("once")
        return found

    timing = run(service, clock, queries, 0.005, answer=answer)
    assert (timing.n_errors, timing.n_untimed_errors) == (0, 1)
    assert timing.first_error == "ValueError: once"


def test_calls_of_many_queries_raise_the_highest_rate(service, clock, queries):
    """10 ms a call, whatever it holds: 100 queries a second one by one, many more 32 at a time."""
    rates = {}
    for batch in (1, 32):
        one = service(0.01)
        spec = LoadSpec("server", batch=batch, max_p99_s=0.1)
        timing = run_load(spec, one.search, queries(100), 3, clock, Conditions(SMOKE))
        rates[batch] = timing.max_qps
    assert rates[1] < 100
    assert rates[32] > 1000

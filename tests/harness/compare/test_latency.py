"""Latency curves: observed times, and none beyond what the sample settles."""

import numpy as np
import pytest

from harness.compare.frontier import planes_of
from harness.compare.latency import latencies_of, latency_curve
from harness.compare.points import points_of
from harness.stats import minimum_samples

NO_OTHERS = {"latency_p90_s": None, "latency_p999_s": None}


def test_a_curve_is_made_of_observed_times():
    """Of 1 ... 1000 ms the p50 is 500, the p90 900, and every value is one of them."""
    times = np.random.default_rng(1).permutation(np.arange(1, 1001)) / 1e3
    curve = dict(latency_curve(times))
    assert curve[50.0] == 0.5
    assert curve[90.0] == 0.9
    assert curve[99.0] == 0.99
    assert set(curve.values()) <= set(times.tolist())
    assert list(curve.values()) == sorted(curve.values())


@pytest.mark.parametrize(("n", "last", "not_told"), [(661, 95.0, 99.0), (662, 99.0, 99.9)])
def test_a_curve_ends_where_its_sample_does(n, last, not_told):
    """p99 needs 662 times: with one less it is not told, p99.9 with neither."""
    curve = dict(latency_curve(np.ones(n)))
    assert last in curve
    assert not_told not in curve
    assert all(minimum_samples(one) <= n for one in curve)


def test_too_few_times_make_no_curve():
    """Below the smallest sample of any percentile nothing is told."""
    assert latency_curve(np.ones(1)) == ()


def test_the_median_repeat_speaks_and_records_stand_in(run_of):
    """Of QPS 100, 300, 200 the one of 200; without raw times its percentiles are the curve."""
    rows = [
        ("a", {"m@1": [0.5]}, {"qps": qps, "repeat": n, "latency_p50_s": 1 / qps, **NO_OTHERS})
        for n, qps in enumerate((100.0, 300.0, 200.0))
    ]
    bad = ("b", {"m@1": [0.5]}, {"latency_p50_s": 0.1, "status": "invalid", "reason": "x"})
    [plane] = planes_of(points_of(run_of(*rows, bad)), "m@1")
    [one] = latencies_of(plane, lambda record: None)
    assert (one.record.qps, one.curve, one.is_raw) == (200.0, ((50.0, 0.005),), False)
    [raw] = latencies_of(plane, lambda record: np.full(100, 0.25))
    assert raw.is_raw
    assert set(dict(raw.curve).values()) == {0.25}

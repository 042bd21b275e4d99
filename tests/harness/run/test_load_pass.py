"""A load's pass fills its record with what sample and profile allow, and keeps the raw times."""

import numpy as np
import pytest

from harness.measure.profile import PROFILES
from harness.measure.timing import Timing
from harness.run.load_pass import _raw_times, _timing_fields


def timing(n, **options):
    """Return a pass whose latencies are 1, 2, ..., n ms."""
    times = np.arange(1, n + 1) * 1e-3
    options.setdefault("latencies_s", times)
    return Timing(rows=np.arange(n) % 7, total_s=float(times.sum()), warm_up_s=0.5, **options)


@pytest.mark.parametrize(
    ("profile", "n", "known"),
    [
        ("smoke", 10_000, ["p50", "p90", "p95"]),
        ("ci", 10_000, ["p50", "p90", "p95", "p99"]),
        ("publish", 10_000, ["p50", "p90", "p95", "p99", "p999"]),
        ("publish", 6_635, ["p50", "p90", "p95", "p99"]),
        ("ci", 661, ["p50", "p90", "p95"]),
        ("ci", 129, ["p50", "p90"]),
        ("ci", 63, ["p50"]),
        ("ci", 10, []),
    ],
)
def test_percentiles_need_their_sample_and_their_profile(profile, n, known):
    """A percentile is null below its smallest sample and above the profile's highest."""
    fields = _timing_fields(timing(n), PROFILES[profile])
    names = ["p50", "p90", "p95", "p99", "p999"]
    assert [one for one in names if fields.get(f"latency_{one}_s") is not None] == known


def test_percentiles_and_rate_are_of_one_pass():
    """1, 2, ..., 1,000 ms: p50 is 500 ms, p99 990 ms; the rate is 1,000 / 500.5 s."""
    fields = _timing_fields(timing(1000), PROFILES["ci"])
    assert fields["latency_p50_s"] == pytest.approx(0.5)
    assert fields["latency_p99_s"] == pytest.approx(0.99)
    assert fields["qps"] == pytest.approx(1000 / 500.5)


def test_raw_times_name_the_query_of_each_send():
    """Rows of the pass lead back to rows of all test queries."""
    rows = np.array([30, 10, 20, 60, 50, 40, 70])
    arrays = _raw_times(timing(9, arrivals_s=np.arange(9.0)), rows, 2)
    assert sorted(arrays) == ["arrival_s/2", "latency_rows/2", "latency_s/2"]
    assert arrays["latency_rows/2"].tolist() == [30, 10, 20, 60, 50, 40, 70, 30, 10]
    batch = timing(8, latencies_s=None, calls_s=np.ones(2))
    assert sorted(_raw_times(batch, rows, 0)) == ["call_s/0", "latency_rows/0"]
    assert _raw_times(timing(8, latencies_s=None), rows, 0) == {}

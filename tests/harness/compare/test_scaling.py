"""Scaling: planted exponents are found, with the stated coverage; what is missing says why."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.compare.scaling import exponents, fit_power_law, scaling_frame
from harness.record import Record

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
SIZES = (1e4, 1e5, 1e6)
N_DRAWS = 4_000


def test_an_exact_law_by_hand():
    """3 n^-1 at 10, 100 and 1,000 is .3, .03 and .003: the exponent is -1, nothing scatters."""
    law = fit_power_law([10, 100, 1000], [0.3, 0.03, 0.003])
    assert law.exponent == pytest.approx(-1)
    assert (law.low, law.high) == (pytest.approx(-1), pytest.approx(-1))
    assert law.n_sizes == 3


def test_an_interval_by_hand():
    """Logs 0, 1, 0 over x = -1, 0, 1: slope 0, residuals 1/3, 2/3, 1/3, one degree of freedom.

    The variance is (1 + 4 + 1) / 9 / 1 = 2/3, that of the slope half of it; the 97.5 % quantile
    of Student's t with one degree of freedom is 12.706.
    """
    law = fit_power_law(np.exp([-1, 0, 1]).tolist(), np.exp([0, 1, 0]).tolist())
    half = 12.706204736 * np.sqrt(2 / 3 / 2)
    assert law.exponent == pytest.approx(0, abs=1e-12)
    assert (law.low, law.high) == (pytest.approx(-half), pytest.approx(half))


@pytest.mark.parametrize("n_sizes", [3, 4, 7])
@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.3])
def test_a_planted_exponent_is_found_as_often_as_stated(exponent, n_sizes):
    """Over 4,000 draws with 5 % noise the 95 % interval holds the planted one in 94 to 96 %."""
    random = np.random.default_rng(7)
    sizes = np.logspace(4, 7, n_sizes)
    laws = [
        fit_power_law(sizes.tolist(), (0.02 * sizes**exponent * noise).tolist())
        for noise in np.exp(0.05 * random.standard_normal((N_DRAWS, n_sizes)))
    ]
    covered = np.mean([one.low <= exponent <= one.high for one in laws])
    assert covered == pytest.approx(0.95, abs=0.01)
    assert np.mean([one.exponent for one in laws]) == pytest.approx(exponent, abs=0.001)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_another_level_covers_as_often_as_it_says(level):
    """The interval is as wide as its level asks for."""
    random = np.random.default_rng(8)
    noise = np.exp(0.1 * random.standard_normal((N_DRAWS, 4)))
    laws = [fit_power_law([1, 10, 100, 1000], one.tolist(), level=level) for one in noise]
    covered = np.mean([one.low <= 0 <= one.high for one in laws])
    assert covered == pytest.approx(level, abs=0.025)


def test_repeats_of_a_size_are_one_point():
    """Three repeats that agree say nothing of how far the law holds: the interval stays."""
    once = fit_power_law([1, 10, 100], [1.0, 30.0, 100.0])
    thrice = fit_power_law([1, 10, 100] * 3, [1.0, 30.0, 100.0] * 3)
    assert (thrice.exponent, thrice.low) == (pytest.approx(once.exponent), pytest.approx(once.low))
    mixed = fit_power_law([1, 10, 100, 100], [1.0, 30.0, 50.0, 200.0])
    assert mixed.exponent == pytest.approx(once.exponent)  # log 50 and log 200 average to log 100


def test_two_sizes_have_no_interval():
    """A line through two points fits; nothing is left to tell the spread by."""
    law = fit_power_law([1e4, 1e5], [2.0, 20.0])
    assert law.exponent == pytest.approx(1)
    assert (law.low, law.high, law.n_sizes) == (None, None, 2)


@pytest.mark.parametrize(
    ("sizes", "values", "message"),
    [
        ([10, 10], [1.0, 2.0], "two sizes or more, got 1"),
        ([10, 100], [1.0], "2 sizes for 1 values"),
        ([10, 100], [1.0, 0.0], "positive and finite"),
        ([10, 100], [1.0, float("nan")], "positive and finite"),
        ([-10, 100], [1.0, 1.0], "positive and finite"),
    ],
)
def test_what_has_no_exponent_is_refused(sizes, values, message):
    """One size, a zero, a NaN: an error that shows them, never a number."""
    with pytest.raises(ValueError, match=message):
        fit_power_law(sizes, values)


def record(size, case="flat", **changes):
    """Return a record that follows laws with whole exponents; its dataset is its size."""
    rate = 1e9 / size
    made = {
        "trial_id": f"{case} {size:g}",
        "case": case,
        "dataset": str(int(size)),
        "qps": rate,
        "latency_p99_s": 2 / rate,
        "index_bytes": int(256 * size),
        "fit_s": 1e-6 * size,
        "refit_s": 1e-6 * size,
        "build_s": 2e-6 * size,
        "metrics": {"ann_recall@10": 0.9},
    }
    return replace(BASE, **{**made, **changes})


def frame_of(*records):
    return scaling_frame(records, {one.trial_id: int(one.dataset) for one in records})


def laws_of(frame, *quantities):
    found = exponents(frame, quantities or ["qps"])
    return {(row["case"], row["quantity"]): row for _, row in found.iterrows()}


def test_rows_stand_by_series_and_size():
    """In the order of the cases; fit, refit and build are one time, bytes also per item."""
    records = [record(size, case) for size in SIZES for case in ("flat", "a")]
    frame = frame_of(*records)
    assert frame["case"].tolist() == ["flat"] * 3 + ["a"] * 3
    assert frame["n_items"].tolist() == [10_000, 100_000, 1_000_000] * 2
    assert frame["fit_build_s"].tolist()[0] == pytest.approx(0.04)
    assert set(frame["bytes_per_item"]) == {256.0}


def test_each_quantity_has_its_exponent():
    """Rate -1, latency, bytes and time 1, agreement 0: as planted."""
    names = ["qps", "latency_p99_s", "index_bytes", "fit_build_s", "ann_recall@10"]
    laws = laws_of(frame_of(*map(record, SIZES)), *names)
    found = [laws["flat", name]["exponent"] for name in names]
    assert found == pytest.approx([-1, 1, 1, 1, 0], abs=1e-9)


def test_only_valid_rows_count():
    """An invalid rate at 10^6 is no point: two sizes are left, and no interval."""
    bad = record(1e6, qps=7.0, status="invalid", reason="3 NaN scores")
    law = laws_of(frame_of(record(1e4), record(1e5), bad))["flat", "qps"]
    assert law["exponent"] == pytest.approx(-1)
    assert (law["n_sizes"], law["note"]) == (2, "2 sizes: no interval")


def test_a_series_that_ended_keeps_its_smaller_sizes():
    """A failure and a skip have no numbers; what was measured before them stands."""
    gone = {"search": {}, "load": {}, "qps": None, "metrics": {}, "index_bytes": None}
    failed = record(1e5, status="timeout", reason="ran past time_limit_s = 9 s", **gone)
    skipped = record(1e6, status="skipped", reason="not run", **gone)
    frame = frame_of(record(1e4), failed, skipped)
    law = laws_of(frame)["flat", "qps"]
    assert law["exponent"] is None
    assert law["note"] == "1 size: no exponent"
    assert frame["status"].tolist() == ["ok", "timeout", "skipped"]


def test_nothing_valid_gives_no_exponents():
    """A run of failures alone has an empty table, and no error."""
    assert exponents(frame_of(record(1e4, status="failed", reason="no")), ["qps"]).empty


def test_settings_are_series_of_their_own():
    """Two build and two search settings of a case: four series, none mixed with another."""
    records = [
        replace(
            record(size, qps=rate / size),
            trial_id=f"{number} {size:g}",
            build={"m": m},
            search={"ef": ef},
        )
        for size in SIZES
        for number, (m, ef, rate) in enumerate([(8, 1, 1), (8, 2, 2), (16, 1, 3), (16, 2, 4)])
    ]
    found = exponents(frame_of(*records), ["qps"])
    assert len(found) == 4
    assert found["exponent"].tolist() == pytest.approx([-1] * 4)
    settings = zip(found["build"], found["search"], strict=True)
    assert sorted((build["m"], search["ef"]) for build, search in settings) == [
        (8, 1), (8, 2), (16, 1), (16, 2)
    ]  # fmt: skip


def test_what_was_not_measured_says_so():
    """No p99 in a quick profile, no such metric: a note in the place of a number."""
    frame = frame_of(*(record(size, latency_p99_s=None) for size in SIZES))
    laws = laws_of(frame, "latency_p99_s", "ann_recall@99")
    assert laws["flat", "latency_p99_s"]["note"] == "no size: no exponent"
    assert laws["flat", "ann_recall@99"]["note"] == "not measured"

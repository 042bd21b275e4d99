"""Speed compared: ratios by hand, intervals from repeats and A/A pairs, refusals with reasons."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from harness.compare.frontier import planes_of
from harness.compare.log_ratio import LogMean, between, log_mean, over_trainings, ratio
from harness.compare.noise import aa_spread, noise_floor, refusals
from harness.compare.points import against_baseline, between_runs, points_of
from harness.compare.quality import compare_quality
from harness.compare.speed import ONE_TRAINING, compare_speed
from harness.report.speed_table import render_speed


def rows(run):
    return compare_speed(against_baseline(points_of(run))).to_dict("records")


def test_ratios_by_hand(run_of):
    """200 to 100 QPS is 2; 3 MB to 2 MB is 1.5, exactly so; build 1 s to 4 s is .25."""
    base = {"qps": 100.0, "index_bytes": 2_000_000, "build_s": 4.0}
    other = {"qps": 200.0, "index_bytes": 3_000_000, "build_s": 1.0}
    whole, timed = rows(run_of(("a", {}, base), ("b", {}, other)))
    assert (whole["index_bytes"], whole["index_bytes.low"]) == (1.5, 1.5)
    assert whole["build_s"] == pytest.approx(0.25)
    assert timed["qps"] == pytest.approx(2.0)
    assert math.isnan(timed["qps.low"])  # one measurement each tells no noise


def test_repeats_give_welchs_interval(run_of):
    """Three repeats a side: the interval of scipy's Welch test on the logarithms."""
    a, b = [100.0, 104.0, 99.0], [210.0, 190.0, 205.0]
    made = [("a", {}, {"qps": x, "repeat": n}) for n, x in enumerate(a)]
    made += [("b", {}, {"qps": x, "repeat": n}) for n, x in enumerate(b)]
    timed = rows(run_of(*made))[1]
    expected = stats.ttest_ind(np.log(b), np.log(a), equal_var=False).confidence_interval()
    assert (timed["qps.low"], timed["qps.high"]) == pytest.approx(tuple(np.exp(expected)))


@pytest.mark.parametrize(
    "rates", [(80.0, 120.0), (100.0, 101.0), (50.0, 100.0, 3_000.0)], ids=["two", "close", "wide"]
)
def test_too_few_repeats_give_no_interval(run_of, rates):
    """Of two repeats, or of three sixtyfold apart, no interval is of use, nor a verdict."""
    made = [("a", {}, {"qps": x, "repeat": n}) for n, x in enumerate(rates)]
    made += [("b", {}, {"qps": 90 * x, "repeat": n}) for n, x in enumerate(rates)]
    run = run_of(*made)
    timed = rows(run)[1]
    assert timed["qps"] == pytest.approx(90.0)
    assert math.isnan(timed["qps.low"])
    pairs = against_baseline(points_of(run))
    text = render_speed(compare_speed(pairs), pairs, "text")
    [line] = [one for one in text.splitlines() if one.startswith("b") and "single" in one]
    assert "90" in line.split()
    assert "three or more repeats" in text


def test_pairs_of_the_same_work_give_the_interval_of_single_measurements(run_of, record_of):
    """sigma_AA of 2 pairs with ratios 1.1 and 1 / 1.1 is log 1.1; two sides add up to it again."""
    aa = [record_of(c, qps=q, repeat=n) for c in "ab" for n, q in enumerate([1, 1.1, 1.1, 1.0])]
    floor = noise_floor(aa, 2)
    run = run_of(("a", {}, {"qps": 100.0}), ("b", {}, {"qps": 200.0}), floor=floor)
    timed = rows(run)[1]
    half = stats.t.ppf(0.975, 4) * math.log(1.1)  # Welch: twice the 2 degrees of freedom
    assert timed["qps.low"] == pytest.approx(2 * math.exp(-half))
    assert timed["qps.high"] == pytest.approx(2 * math.exp(half))


def test_more_measurements_narrow_what_pairs_tell():
    """The variance of the mean of 4 measurements is sigma_AA^2 / 8."""
    spread = aa_spread(np.array([1.0, 1.0]), np.array([1.1, 1 / 1.1]))
    assert log_mean([5.0] * 4, spread).variance == pytest.approx(math.log(1.1) ** 2 / 8)


def drawn(random, *, seed_sd, effect=0.0, n_repeats=1):
    """Return rows of two methods with three seeds: rates that differ by training and by noise."""
    return [
        (case, {}, {"qps": math.exp(shift + trained + noise), "seed": seed, "repeat": repeat})
        for case, shift in (("a", 0.0), ("b", effect))
        for seed, trained in enumerate(random.normal(0, seed_sd, 3))
        for repeat, noise in enumerate(random.normal(0, 0.02, n_repeats))
    ]


def stars(run):
    """Return whether the interval of the QPS excludes 1."""
    one = rows(run)[1]
    return bool(one["qps.low"] > 1 or one["qps.high"] < 1)


@pytest.mark.parametrize("n_repeats", [1, 3], ids=["pairs", "repeats"])
def test_trainings_that_differ_by_chance_seldom_carry_a_star(run_of, record_of, n_repeats):
    """Seeds differ by 5 %, equal work by 2 %: at most 6 % of 200 equal methods are told apart.

    By noise alone it were some 45 % with A/A pairs, 28 % with three repeats as nine trainings.
    """
    random, floor = np.random.default_rng(31), None
    if n_repeats == 1:
        rates = np.exp(random.normal(0, 0.02, (2, 20)))
        floor = noise_floor(
            [
                record_of(c, qps=q, repeat=n)
                for c, ones in zip("ab", rates, strict=True)
                for n, q in enumerate(ones)
            ],
            10,
        )
    found = [
        stars(run_of(*drawn(random, seed_sd=0.05, n_repeats=n_repeats), floor=floor))
        for _ in range(200)
    ]
    assert np.mean(found) <= 0.06


def test_a_faster_method_still_carries_its_star(run_of):
    """Six times what seeds differ by: more than 9 in 10 of 100."""
    random = np.random.default_rng(32)
    found = [stars(run_of(*drawn(random, seed_sd=0.05, effect=0.3))) for _ in range(100)]
    assert np.mean(found) > 0.9


def test_the_variance_is_that_between_seeds_and_never_below_noise():
    """Logarithms 0, .3, .6 vary by .09, their mean by .03; 0 thrice by .02^2 / 2 / 3, by pairs."""
    spread = aa_spread(np.ones(2), np.array([math.exp(0.02), math.exp(-0.02)]))
    apart = over_trainings({n: log_mean([math.exp(0.3 * n)] * 2, spread) for n in range(3)})
    assert (apart.mean, apart.variance, apart.freedom) == (
        pytest.approx(0.3),
        pytest.approx(0.03),
        2,
    )
    same = over_trainings({n: log_mean([1.0], spread) for n in range(3)})
    assert (same.variance, same.freedom) == (pytest.approx(0.02**2 / 6), 2)


def test_seeds_are_interpolated_one_by_one():
    """Half of the way from 0, 1, 2 to 0, 1, 2 the variance is that of 0, 1, 2, not half of it."""
    ends = over_trainings({n: LogMean(float(n)) for n in range(3)})
    assert between(ends, ends, 0.5).variance == pytest.approx(1 / 3)


def test_a_fit_is_one_measurement_under_every_load(run_of):
    """One fit of 1 s and one of 2 s, each under three loads: nothing tells their noise."""
    made = [
        (case, {}, {"fit_s": s, "load": {"kind": "batch", "batch": n}})
        for case, s in (("a", 1.0), ("b", 2.0))
        for n in (1, 2, 3)
    ]
    whole = rows(run_of(*made))[0]
    assert whole["fit_s"] == pytest.approx(2.0)
    assert math.isnan(whole["fit_s.low"])


def test_an_interval_of_one_training_says_so(run_of):
    """Three repeats of one seed: the row warns, unless nothing was trained by chance."""
    rates = [(n, q) for n, q in enumerate((100.0, 101.0, 99.0))]
    made = [(c, {}, {"qps": q, "repeat": n}) for c in "ab" for n, q in rates]
    assert rows(run_of(*made))[1]["warnings"] == (
        ONE_TRAINING.format("the baseline and of this row"),
    )
    made = [(c, {}, {**fields, "history": {}}) for c, _, fields in made]
    assert rows(run_of(*made))[1]["warnings"] == ()


def test_interpolated_means_by_hand():
    """A quarter of the way from 100 to 1600, by logarithm, is 200; variances weigh 9/16, 1/16."""
    first, second = LogMean(math.log(100), 0.16, 5), LogMean(math.log(1600), 0.16, 3)
    one = between(first, second, 0.25)
    assert one.value == pytest.approx(200)
    assert (one.variance, one.freedom) == (pytest.approx(0.1), 3)
    assert ratio(LogMean(0.0, 0.0), LogMean(1.0, 0.0)).low == pytest.approx(math.e)


def test_a_rate_that_arrivals_fix_is_not_compared(run_of):
    """Of server at 200/s the p99 is compared and the QPS is not."""
    load = {"load": {"kind": "server", "rate": 200.0}, "latency_p99_s": 0.002}
    timed = rows(run_of(("a", {}, load), ("b", {}, load)))[1]
    assert math.isnan(timed["qps"])
    assert timed["latency_p99_s"] == pytest.approx(1.0)


def test_a_build_below_a_millisecond_has_no_ratio(run_of):
    """0.1 ms to 0.2 ms is a ratio of the clock."""
    made = [(case, {}, {"build_s": s}) for case, s in (("a", 1e-4), ("b", 2e-4))]
    assert math.isnan(rows(run_of(*made))[0]["build_s"])


def machine_of(record_of, **changes):
    return {**record_of("x").machine, **changes}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threads": 2}, "threads: baseline 1, here 2"),
        ({"fit_threads": 1}, "fitting threads: baseline 2, here 1"),
        ({"device": "cuda"}, "device: baseline cpu, here cuda"),
        ({"profile": "smoke"}, "profile: baseline ci, here smoke"),
        ({"data_hash": "e" * 64}, "data hash: baseline dddddddddddd, here eeeeeeeeeeee"),
        ({"split": "t"}, "split: baseline s, here t"),
        ({"metrics": {"m@20": 0.5}}, "k: baseline 10, here 20"),
        ({"build": {"precision": "bfloat16"}}, "precision: baseline float32, here bfloat16"),
        ({"status": "invalid", "reason": "3 NaN"}, "3 NaN"),
    ],
)
def test_what_does_not_compare_is_refused_with_the_reason(run_of, changes, reason):
    """Each fact of the protocol that differs is a reason, and there is no ratio."""
    same = {"metrics": {"m@10": 0.5}, "build": {"precision": "float32"}}
    [row] = rows(run_of(("a", {}, same), ("b", {}, {**same, **changes})))
    assert row["reason"] == reason
    assert math.isnan(row["qps"])
    assert row["status"] == changes.get("status", "refused")


def test_bytes_are_compared_whatever_the_metrics_version(run_of):
    """Metrics of another version change no byte: the ratio 2 stays beside what is refused."""
    a = {"metrics": {"m@1": 0.5}, "metrics_version": 1, "index_bytes": 10}
    run = run_of(("a", {}, a), ("b", {}, {**a, "metrics_version": 2, "index_bytes": 20}))
    assert rows(run)[0]["index_bytes"] == 2.0


def test_another_driver_is_refused(run_of, record_of):
    """The driver of the GPU, as it was read before the pass, makes times of another machine."""
    gpu = machine_of(record_of, gpu="card", cuda="12")
    made = [
        (case, {}, {"machine": gpu, "isolation": {"before": {"gpu": {"driver": version}}}})
        for case, version in (("a", "550.1"), ("b", "560.2"), ("c", "550.1"))
    ]
    first, *same = rows(run_of(*made))
    assert first["reason"] == "machine driver: baseline 550.1, here 560.2"
    assert [one["status"] for one in same] == ["ok", "ok"]
    assert len(planes_of(points_of(run_of(*made)), "m@1")) == 2


def test_a_floor_of_another_driver_does_not_hold(record_of):
    """One that tells no driver, as earlier ones do not, holds as before."""
    fields = {"isolation": {"before": {"gpu": {"driver": "550.1"}}}}
    aa = [record_of("a", qps=q, repeat=n, **fields) for n, q in enumerate([1, 1.1, 1.1, 1.0])]
    floor = noise_floor(aa, 2)
    assert refusals(aa[0], floor) == []
    other = record_of("a", isolation={"before": {"gpu": {"driver": "560.2"}}})
    assert refusals(other, floor) == ["other machine (driver '550.1', here '560.2')"]
    untold = dataclasses.replace(floor, machine={**record_of("a").machine})
    assert refusals(other, untold) == []


@pytest.mark.parametrize("table", ["build", "search"])
def test_another_precision_in_the_second_run_is_said(run_of, table):
    """The same point but for its precision is refused for that, in quality and in speed."""
    values = {"m@1": [0.0, 0.5, 1.0]}
    runs = [
        run_of(("a", values, {table: {"dim": 8, "precision": one}}), name=one)
        for one in ("float32", "bfloat16")
    ]
    pairs = between_runs(*(points_of(one) for one in runs))
    assert len(pairs) == 1
    for frame in (compare_quality(pairs), compare_speed(pairs)):
        assert frame["reason"].tolist() == ["precision: baseline float32, here bfloat16"]


def test_another_machine_is_refused(run_of, record_of):
    """A processor with other cores is another machine; of a GPU a record of the CPU is silent."""
    other = {"machine": machine_of(record_of, cores=999)}
    [row] = rows(run_of(("a", {}), ("b", {}, other)))
    assert row["reason"].startswith("machine cores: baseline ")
    assert row["reason"].endswith("here 999")


def test_other_libraries_are_refused(run_of, record_of):
    """A library of another version is named with both."""
    environment = {**record_of("x").environment, "numpy": "0.1"}
    [row] = rows(run_of(("a", {}), ("b", {}, {"environment": environment})))
    assert row["reason"].startswith("library numpy: baseline ")


def test_a_library_that_one_point_lacks_refuses_nothing(run_of, record_of):
    """With hnswlib beside one of two points their times compare; of two versions they do not."""
    first, second = (
        {"environment": {**record_of("x").environment, "hnswlib": version}} for version in "12"
    )
    statuses = [row["status"] for row in rows(run_of(("a", {}), ("b", {}, first)))]
    assert "refused" not in statuses
    [row] = rows(run_of(("a", {}, first), ("b", {}, second)))
    assert row["reason"] == "library hnswlib: baseline 1, here 2"


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"kind": "offline", "batch": 32}, "scenario: baseline batch(32), here offline(32)"),
        ({"kind": "batch", "batch": 64}, "batch: baseline 32, here 64"),
    ],
)
def test_another_load_is_refused(run_of, load, reason):
    """Another scenario or batch: its row says so, the row of build and size stands."""
    base = {"load": {"kind": "batch", "batch": 32}}
    whole, timed = rows(run_of(("a", {}, base), ("b", {}, {"load": load})))
    assert (whole["status"], timed["status"], timed["reason"]) == ("ok", "refused", reason)


def test_a_load_that_is_invalid_keeps_its_row(run_of):
    """One of two loads is invalid: the other is compared, and neither is lost."""
    batch = {"load": {"kind": "batch", "batch": 32}}
    invalid = {**batch, "status": "invalid", "reason": "3 errors"}
    run = run_of(("a", {}), ("a", {}, batch), ("b", {}), ("b", {}, invalid))
    _, single, many = rows(run)
    assert (single["status"], many["status"], many["reason"]) == ("ok", "invalid", "3 errors")


def test_a_busy_machine_is_said(run_of):
    """One side measured while others kept the machine busy marks the row."""
    run = run_of(("a", {}), ("b", {}, {"isolation": {"busy": True}}))
    assert "busy" in rows(run)[1]["warnings"][0]

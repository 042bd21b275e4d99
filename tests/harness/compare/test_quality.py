"""Quality compared: pairs by query, seeds and repeats in their places, nothing lost."""

import dataclasses

import numpy as np
import pytest

from harness.compare.points import against_baseline, between_runs, points_of
from harness.compare.quality import compare_quality
from harness.errors import RecordError

A, B = [0.0, 0.5, 1.0, 0.5], [0.5, 0.5, 0.5, 1.0]  # differences .5, 0, -.5, .5


def rows(run, baseline=None, metrics=None):
    frame = compare_quality(against_baseline(points_of(run), baseline), metrics)
    return frame.to_dict("records")


def test_a_difference_by_hand(run_of):
    """Means 0.5 and 0.625; two queries won, one tied, one lost."""
    base, row = rows(run_of(("a", {"recall@2": A}), ("b", {"recall@2": B})))
    assert (base["status"], base["value"]) == ("baseline", 0.5)
    assert row["difference"] == pytest.approx(0.125)
    assert (row["base_value"], row["value"], row["n"]) == (0.5, 0.625, 4)
    assert (row["wins"], row["ties"], row["losses"]) == (2, 1, 1)
    assert row["low"] <= 0 <= row["high"]
    assert row["status"] == "not shown"
    assert row["seed_sd"] is None or np.isnan(row["seed_sd"])


def test_a_sure_difference_is_told_with_its_direction(run_of):
    """On 200 queries a shift of one standard deviation is found, up and down."""
    noise = np.random.default_rng(0).normal(0.5, 0.1, 200)
    run = run_of(("a", {"m@1": noise}), ("up", {"m@1": noise + 0.1}), ("low", {"m@1": noise - 0.1}))
    assert [one["status"] for one in rows(run)] == ["baseline", "better", "worse"]
    assert [one["status"] for one in rows(run, "up")] == ["baseline", "worse", "worse"]


def test_equal_lists_are_identical(run_of):
    """No query differs: that is more than no difference shown."""
    assert rows(run_of(("a", {"m@1": A}), ("b", {"m@1": A})))[1]["status"] == "identical"


def test_holm_is_over_all_cells_of_the_table(run_of):
    """With two metrics and two cases the smallest of four p-values is multiplied by four."""
    random = np.random.default_rng(1)
    values = [{"m@1": random.random(80), "n@1": random.random(80)} for _ in range(3)]
    found = rows(run_of(*zip("abc", values, strict=True)))[2:]
    p = [one["p"] for one in found]
    assert len(p) == 4
    smallest = min(range(4), key=p.__getitem__)
    assert found[smallest]["p_holm"] == pytest.approx(min(1, 4 * p[smallest]))


def test_seeds_are_averaged_by_query_and_their_spread_stands_apart(run_of):
    """By seed the differences are .125 and .375: mean .25, standard deviation .1768."""
    run = run_of(
        ("a", {"m@1": A}), ("b", {"m@1": B}),
        ("a", {"m@1": A}, {"seed": 2}), ("b", {"m@1": [1.0, 0.5, 1.0, 1.0]}, {"seed": 2}),
    )  # fmt: skip
    row = rows(run)[1]
    assert row["difference"] == pytest.approx(0.25)
    assert row["seed_sd"] == pytest.approx(0.25 / np.sqrt(2))
    assert (row["n"], row["n_seeds"]) == (4, 2)
    assert (row["wins"], row["ties"], row["losses"]) == (2, 1, 1)  # of .75, 0, -.25, .5


def test_builds_of_one_seed_are_averaged_and_their_spread_is_no_seed_spread(run_of):
    """Means .625 and .875 of two builds: value .75, build SD .1768, no seed SD."""
    run = run_of(
        ("a", {"m@1": A}), ("b", {"m@1": B}),
        ("b", {"m@1": [1.0, 0.5, 1.0, 1.0]}, {"repeat": 1}),
    )  # fmt: skip
    row = rows(run)[1]
    assert row["value"] == pytest.approx(0.75)
    assert row["build_sd"] == pytest.approx(0.25 / np.sqrt(2))
    assert np.isnan(row["seed_sd"])


def test_a_seed_of_one_side_alone_is_left_out_and_said(run_of):
    """Seed 2 of b has no counterpart: only seed 1 is paired."""
    run = run_of(("a", {"m@1": A}), ("b", {"m@1": B}), ("b", {"m@1": A}, {"seed": 2}))
    row = rows(run)[1]
    assert row["difference"] == pytest.approx(0.125)
    assert "seeds 2 are on one side only" in row["warnings"][0]


def test_a_sampled_metric_pairs_the_queries_scored_on_both_sides(run_of):
    """Scored are queries 0, 1 here and 1, 2 there: query 1 is left, .5 against .75."""
    nan = float("nan")
    run = run_of(("a", {"m@1": [0.0, 0.5, nan]}), ("b", {"m@1": [nan, 0.75, 1.0]}))
    row = rows(run)[1]
    assert (row["n"], row["difference"], row["base_value"]) == (1, 0.25, 0.5)


def test_a_metric_of_the_whole_run_has_a_difference_and_no_test(run_of, record_of):
    """Coverage has one value: .5 against .75, without p."""
    run = run_of(
        ("a", {"m@1": A}, {"metrics": {"m@1": 0.5, "coverage@1": 0.5}}),
        ("b", {"m@1": B}, {"metrics": {"m@1": 0.6, "coverage@1": 0.75}}),
    )
    row = rows(run, metrics=["coverage@1"])[1]
    assert (row["difference"], row["status"]) == (0.25, "not tested")
    assert np.isnan(row["p"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data_hash": "e" * 64}, "data hash: baseline dddddddddddd, here eeeeeeeeeeee"),
        ({"split": "t"}, "split: baseline s, here t"),
        ({"metrics_version": 2}, "metrics version: baseline 1, here 2"),
        ({"metrics": {"m@2": 0.5}}, "this row has no m@1, it has m@2"),
        ({"seed": 9}, "seeds: baseline [1], here [9]"),
    ],
)
def test_what_does_not_compare_is_refused_with_the_reason(run_of, changes, reason):
    """Other data, split, k or seeds: a row without a difference that says why."""
    version = {"metrics_version": 1}
    run = run_of(("a", {"m@1": A}, version), ("b", {"m@1": B}, {**version, **changes}))
    row = rows(run)[1]
    assert (row["status"], row["reason"]) == ("refused", reason)
    assert np.isnan(row["difference"])


def test_without_values_by_query_both_means_are_over_the_seeds_of_the_difference(run_of):
    """By seed a has .4, .6, .8 and b, whose seed 1 is invalid, .5 and .7: of 2 and 3, .7 and .6.

    With means over all valid seeds b would stand at .6 against .6, and be worse by .1.
    """
    bad = {"status": "invalid", "reason": "too fast"}
    made = [("a", (0.4, 0.6, 0.8)), ("b", (0.3, 0.5, 0.7))]
    run = run_of(
        *(
            (case, {"m@1": [value]}, {"seed": seed, **(bad if (case, seed) == ("b", 1) else {})})
            for case, values in made
            for seed, value in enumerate(values, 1)
        )
    )
    row = rows(dataclasses.replace(run, read=lambda record: None))[1]
    assert (row["base_value"], row["value"]) == (pytest.approx(0.7), pytest.approx(0.6))
    assert (row["difference"], row["n_seeds"]) == (pytest.approx(-0.1), 2)
    assert row["reason"] == "values per query were not kept"
    assert row["warnings"] == (
        "seeds 1 are on one side only and left out",
        "some records are left out, invalid: too fast",
    )


def test_a_metric_of_the_whole_run_is_a_mean_over_the_shared_seeds_too(run_of):
    """Seed 2 of a has coverage .9 and b has no seed 2: .5 against .75, not .7."""
    run = run_of(
        ("a", {"m@1": A}, {"metrics": {"m@1": 0.5, "coverage@1": 0.5}}),
        ("a", {"m@1": A}, {"metrics": {"m@1": 0.5, "coverage@1": 0.9}, "seed": 2}),
        ("b", {"m@1": B}, {"metrics": {"m@1": 0.6, "coverage@1": 0.75}}),
    )
    row = rows(run, metrics=["coverage@1"])[1]
    assert (row["base_value"], row["value"], row["difference"]) == (0.5, 0.75, 0.25)
    assert row["warnings"][1] == "seeds 2 are on one side only and left out"


def test_other_queries_are_refused(run_of):
    """Three queries are not four."""
    row = rows(run_of(("a", {"m@1": A}), ("b", {"m@1": B[:3]})))[1]
    assert row["reason"] == "the queries are not the same"


def test_failed_rows_stay(run_of):
    """A trial that failed keeps its row with its reason; one without metrics has one row."""
    failed = {"status": "failed", "reason": "killed", "metrics": {}}
    found = rows(run_of(("a", {"m@1": A}), ("b", {}, failed), ("c", {"m@1": B})))
    assert [one["status"] for one in found] == ["baseline", "failed", "not shown"]
    assert found[1]["reason"] == "killed"


def test_a_baseline_that_failed_leaves_nothing_to_compare_with(run_of):
    """Every other row is refused, with what became of the baseline."""
    failed = {"status": "timeout", "reason": "past time_limit_s = 1", "metrics": {"m@1": 0.5}}
    found = rows(run_of(("a", {"m@1": A}, failed), ("b", {"m@1": B})))
    assert [one["status"] for one in found] == ["timeout", "refused"]
    assert found[1]["reason"] == "baseline timeout: past time_limit_s = 1"


def test_a_baseline_is_chosen_by_case_and_parameters(run_of):
    """Of the two settings of ivf the one asked for; without a parameter the first."""
    run = run_of(
        ("a", {"m@1": A}),
        ("ivf", {"m@1": B}, {"search": {"nprobe": 1}}),
        ("ivf", {"m@1": A}, {"search": {"nprobe": 16}}),
    )
    points = points_of(run)
    chosen = against_baseline(points, "ivf nprobe=16")[0]
    assert chosen.base.first.search == {"nprobe": 16}
    assert against_baseline(points, "ivf")[0].base.first.search == {"nprobe": 1}
    assert against_baseline(points)[0].base.first.case == "a"
    with pytest.raises(RecordError, match="did you mean 'ivf'"):
        against_baseline(points, "ifv")
    with pytest.raises(RecordError, match="has no point with nprobe=4"):
        against_baseline(points, "ivf nprobe=4")


def test_a_point_takes_the_baseline_of_its_own_device(run_of):
    """Two devices have a baseline each, and no point is lost."""
    cuda = {"device": "cuda"}
    run = run_of(
        ("a", {"m@1": A}), ("a", {"m@1": A}, cuda), ("b", {"m@1": B}), ("b", {"m@1": B}, cuda)
    )
    pairs = against_baseline(points_of(run))
    devices = [(one.base.first.device, one.other.first.device) for one in pairs]
    assert devices == [("cpu", "cpu"), ("cuda", "cuda")] * 2
    assert [one.is_baseline for one in pairs] == [True, True, False, False]


def test_two_runs_pair_the_same_points_and_keep_the_rest(run_of):
    """Of a, b, c only a is in both runs; its difference is second minus first."""
    first = run_of(("a", {"m@1": A}), ("b", {"m@1": A}), name="one")
    second = run_of(("c", {"m@1": A}), ("a", {"m@1": B}), name="two")
    frame = compare_quality(between_runs(points_of(first), points_of(second)))
    assert frame["difference"].iloc[0] == pytest.approx(0.125)
    assert list(frame["reason"][1:]) == ["not in the second run", "not in the first run"]

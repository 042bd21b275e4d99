"""Ladders: what is lost between the model's score and the served one, paired by query."""

import numpy as np
import pytest

from harness.compare.ladder import ladders, step_text
from harness.compare.points import points_of
from harness.compare.ranking import against_best, ranking


def rung(scoring, mean, *, case="s", shift=0.0, **changes):
    values = mean + np.tile([-0.1, 0.1], 200) + shift
    search = {"scoring": scoring, "cut": 0}
    return case, {"m@1": values}, {"search": search, **changes}


def test_rungs_stand_in_order_with_paired_steps(run_of):
    """0.5, 0.4, 0.4: every query loses 0.1, then nothing; the steps say -0.1 and 0."""
    run = run_of(rung("served", 0.4), rung("unquantised", 0.5), rung("quantised", 0.4),
                 ("best_possible", {"m@1": np.full(400, 0.9)}))  # fmt: skip
    [one] = ladders(points_of(run), "m@1")
    assert [x.scoring for x in one.rungs] == ["unquantised", "quantised", "served"]
    assert [x.value for x in one.rungs] == pytest.approx([0.5, 0.4, 0.4])
    assert one.rungs[0].step is None
    assert one.rungs[1].step["difference"] == pytest.approx(-0.1)
    assert one.rungs[2].step["status"] == "identical"
    assert one.bound == pytest.approx(0.9)
    assert step_text(one.rungs[1].step) == "-0.1000 [-0.1000, -0.1000], worse"


def test_points_of_other_settings_are_no_rungs(run_of):
    """Lists cut to 8 are another search; a case served alone has no ladder."""
    cut = ("s", {"m@1": np.full(400, 0.2)}, {"search": {"scoring": "served", "cut": 8}})
    run = run_of(rung("served", 0.4), cut, rung("unquantised", 0.5), rung("served", 0.3, case="t"))
    [one] = ladders(points_of(run), "m@1")
    assert [x.value for x in one.rungs] == pytest.approx([0.5, 0.4])
    assert one.bound is None
    assert ladders(points_of(run_of(cut)), "m@1") == []


def test_a_failed_rung_is_left_out(run_of):
    """What was not measured is no step."""
    failed = rung("quantised", 0.0, status="failed", reason="killed", metrics={})
    [one] = ladders(points_of(run_of(rung("unquantised", 0.5), failed, rung("served", 0.4))), "m@1")
    assert [x.scoring for x in one.rungs] == ["unquantised", "served"]


def test_a_ladder_stands_on_the_seeds_that_all_rungs_have(run_of):
    """Seed 2 of served is invalid: .5 becomes .4 of seed 1, not .6, the mean with seed 2."""
    bad = {"status": "invalid", "reason": "x"}
    run = run_of(
        rung("unquantised", 0.5), rung("unquantised", 0.7, seed=2),
        rung("served", 0.4), rung("served", 0.6, seed=2, **bad),
    )  # fmt: skip
    [one] = ladders(points_of(run), "m@1")
    assert [x.value for x in one.rungs] == pytest.approx([0.5, 0.4])
    assert one.rungs[1].step["difference"] == pytest.approx(-0.1)


def test_the_best_of_a_ranking_has_the_seeds_of_the_others(run_of):
    """Case b has .9 in seed 2 alone, where a has .9 too, with a mean of .5: a leads, b is last.

    The row of b is of the seed that both have.
    """
    bad = {"status": "invalid", "reason": "x"}
    made = [("a", 0.1, 0.9, {}), ("b", 0.1, 0.9, bad), ("c", 0.3, 0.3, {}), ("d", 0.2, 0.2, {})]
    run = run_of(
        *((case, {"m@1": np.full(400, one)}, {"seed": 1, **how}) for case, one, _, how in made),
        *((case, {"m@1": np.full(400, two)}, {"seed": 2}) for case, _, two, _ in made),
    )
    pairs = against_best(points_of(run), "m@1")
    assert [one.shown.first.case for one in pairs] == ["a", "c", "d", "b"]
    frame = ranking(pairs, "m@1")
    assert frame["value"].tolist() == pytest.approx([0.5, 0.3, 0.2, 0.9])
    assert frame["base_value"].tolist()[3] == pytest.approx(0.9)
    assert frame["status"].tolist()[3] == "identical"


def test_a_point_by_another_version_of_the_metrics_is_not_the_best(run_of):
    """Case c has .9 by version 2; a is the best of the two that version 1 scored."""
    made = [("a", 0.5, 1), ("b", 0.4, 1), ("c", 0.9, 2)]
    run = run_of(*((x, {"m@1": np.full(400, q)}, {"metrics_version": v}) for x, q, v in made))
    pairs = against_best(points_of(run), "m@1")
    assert [one.shown.first.case for one in pairs] == ["a", "b"]


def test_all_points_are_ranked_against_the_best(run_of):
    """0.6 is the best, 0.5 is worse on every query; bounds, failures and other data stay out."""
    made = {name: np.full(400, mean) for name, mean in (("a", 0.5), ("b", 0.6), ("c", 0.4))}
    run = run_of(
        *((name, {"m@1": values}) for name, values in made.items()),
        ("best_possible", {"m@1": np.full(400, 0.9)}),
        ("other", {"m@1": np.full(400, 0.95)}, {"data_hash": "e" * 64}),
        ("failed", {}, {"status": "failed", "reason": "x", "metrics": {}}),
    )
    pairs = against_best(points_of(run), "m@1")
    assert [one.shown.first.case for one in pairs] == ["b", "a", "c"]
    frame = ranking(pairs, "m@1")
    assert frame["status"].tolist() == ["baseline", "worse", "worse"]
    assert frame["difference"].tolist()[1:] == pytest.approx([-0.1, -0.2])
    assert against_best(points_of(run), "n@1") == []

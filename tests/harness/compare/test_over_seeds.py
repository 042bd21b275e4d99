"""Several seeds: what is sure must hold for other trainings as for other queries."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from harness.compare.budgets import Budget, decide
from harness.compare.frontier import planes_of
from harness.compare.ladder import ladders, step_text
from harness.compare.over_seeds import (
    detectable_over_seeds,
    joint_p,
    joint_power,
    over_seeds,
    own_answers,
)
from harness.compare.paired import compare_paired, detectable_change
from harness.compare.points import against_baseline, between_runs, points_of
from harness.compare.quality import Reader, compare_quality
from harness.report.comparison import render_quality

N_SIMULATIONS, N_QUERIES = 2_000, 120


def test_it_is_the_paired_t_test_of_scipy():
    """Interval and p-value of three and of five seeds; one seed tells nothing."""
    for differences in ([0.01, 0.03, 0.02], [0.1, -0.2, 0.15, 0.3, 0.02]):
        one, other = over_seeds(differences), stats.ttest_1samp(differences, 0.0)
        assert one.p == pytest.approx(other.pvalue)
        assert (one.low, one.high) == pytest.approx(tuple(other.confidence_interval()))
        assert one.sd == pytest.approx(np.std(differences, ddof=1))
    assert over_seeds([0.1]) is None


def test_seeds_that_agree_to_the_bit_leave_no_doubt():
    """A method without chance has one difference: p is 0 where it is one, else 1."""
    assert over_seeds([0.25, 0.25]).p == 0.0
    assert over_seeds([0.0, 0.0, 0.0]).p == 1.0
    assert over_seeds([0.25, 0.25]).low == 0.25


def simulated(random, change=0.0, spread=0.03, n_seeds=3):
    """Return differences (simulations, seeds, queries): seeds shift by chance, queries too."""
    shape = (N_SIMULATIONS, n_seeds, N_QUERIES)
    shifts = random.normal(0, spread, shape[:2])[:, :, None]
    common = random.normal(0, 0.1, (N_SIMULATIONS, 1, N_QUERIES))
    return change + shifts + common + random.normal(0, 0.1, shape)


def p_values(cells):
    """Return the p-values over queries, and those of queries and seeds together."""
    found = compare_paired(list(cells.mean(axis=1)), seed=5)
    seeds = [over_seeds(one.mean(axis=1).tolist()) for one in cells]
    alone = np.array([one.p for one in found])
    return alone, np.array([joint_p(p, one) for p, one in zip(alone, seeds, strict=True)])


def test_luck_of_training_alone_is_seldom_sure():
    """Without a difference of methods at most 6 % of 2,000 are sure; queries alone call a third."""
    alone, joint = p_values(simulated(np.random.default_rng(21)))
    assert (alone < 0.05).mean() > 0.25
    assert (joint < 0.05).mean() <= 0.06


def test_a_difference_of_methods_is_still_found():
    """Five times what seeds shift by: 4 in 5 are sure with three seeds."""
    _, joint = p_values(simulated(np.random.default_rng(22), change=0.15))
    assert (joint < 0.05).mean() > 0.8


@pytest.mark.parametrize("spread", [0.0, 0.008, 0.03])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_power_over_seeds_is_what_is_printed(spread, n_seeds):
    """With the change that is said to be found in 80 % of cases, 75 to 85 % of 2,000 are.

    Queries of all seeds vary by .1 together and by .1 each; trainings shift all by the spread.
    """
    random, n = np.random.default_rng(23), N_QUERIES
    error, own = math.sqrt(0.01 * (1 + 1 / n_seeds) / n), 0.1 / math.sqrt(n)
    change = detectable_over_seeds(error, math.hypot(spread, own), n_seeds, own=own)
    assert change >= 0.99 * detectable_change(error, 1)
    cells = simulated(random, change=change, spread=spread, n_seeds=n_seeds)
    _, joint = p_values(cells)
    assert (joint < 0.05).mean() == pytest.approx(0.8, abs=0.05)


def test_without_doubt_of_queries_it_is_the_noncentral_t():
    """The power of scipy's t-test over 3, 5 and 10 seeds, within half a point."""
    for n in (3, 5, 10):
        for change in (0.005, 0.01, 0.02):
            shift, bound = change * math.sqrt(n) / 0.01, stats.t.ppf(0.975, n - 1)
            expected = stats.nct.sf(bound, n - 1, shift) + stats.nct.cdf(-bound, n - 1, shift)
            assert joint_power(change, 1e-9, 0.01, n) == pytest.approx(expected, abs=0.005)


def test_the_share_of_own_answers_is_that_of_the_simulation():
    """Each seed answers 20,000 queries with an SD of .1 of its own: .1 / sqrt(20,000)."""
    random = np.random.default_rng(24)
    common = random.normal(0, 0.2, 20_000)
    cell = common + random.normal(0, 0.1, (3, 20_000)) + np.array([[0.1], [0.0], [-0.2]])
    assert own_answers(cell) == pytest.approx(0.1 / math.sqrt(20_000), rel=0.02)


def test_what_is_detectable_grows_with_what_seeds_shift(run_of):
    """One seed: 2.8016 standard errors of queries. Three with an SD of .05: 3.45 SD and more."""
    random = np.random.default_rng(25)
    made = [
        (case, {"m@1": random.normal(0.5, 0.1, 200) + shift}, {"seed": seed})
        for case, shifts in (("a", (0, 0, 0)), ("b", (0.05, 0, -0.05)))
        for seed, shift in enumerate(shifts)
    ]
    rows = [
        compare_quality(against_baseline(points_of(run_of(*ones)))).to_dict("records")[1]
        for ones in (made[::3], made)
    ]
    assert rows[0]["detectable"] == pytest.approx(2.8016 * 0.1 * math.sqrt(2 / 200), rel=0.1)
    assert rows[1]["detectable"] > 3.2 * rows[1]["seed_sd"]


def seeded(case, shifts, **changes):
    """Return rows of one case, a seed for each shift of the mean, the queries apart by noise."""
    noise = np.random.default_rng(7).normal(0.5, 0.05, 200)
    return [
        (case, {"m@1": noise + shift}, {"seed": seed, **changes})
        for seed, shift in enumerate(shifts)
    ]


def test_what_one_lucky_seed_shows_is_not_shown(run_of):
    """By seed +.09, 0 and 0: over queries .03 is certain, over seeds it is not (p .42)."""
    run = run_of(*seeded("a", [0, 0, 0]), *seeded("b", [0.09, 0, 0]), *seeded("c", [0.03] * 3))
    pairs = against_baseline(points_of(run))
    frame = compare_quality(pairs)
    _, lucky, sure = frame.to_dict("records")
    assert lucky["low"] > 0
    assert lucky["p"] < 1e-3
    assert lucky["p_seeds"] == pytest.approx(stats.ttest_1samp([0.09, 0, 0], 0).pvalue)
    assert lucky["seed_low"] < 0 < lucky["seed_high"]
    assert (lucky["status"], sure["status"]) == ("not shown", "better")
    text = render_quality(frame, pairs, "text")
    [line] = [one for one in text.splitlines() if one.startswith("b ")]
    assert "*" not in line
    assert "over seeds" in text
    assert "Student's t" in text


def test_one_seed_is_tested_over_queries_and_the_caption_says_of_what(run_of):
    """Without a second seed the interval is of these trained models, and says so."""
    run = run_of(*seeded("a", [0]), *seeded("b", [0.03]))
    pairs = against_baseline(points_of(run))
    frame = compare_quality(pairs)
    assert frame["status"].tolist() == ["baseline", "better"]
    assert np.isnan(frame["p_seeds"][1])
    assert "with the models as trained" in render_quality(frame, pairs, "text")


def test_a_leader_within_a_budget_leads_over_seeds_too(run_of):
    """0.53 by one lucky seed of three does not lead 0.50; 0.53 by all three does."""
    for shifts, leader in (([0.09, 0, 0], None), ([0.03, 0.03, 0.031], "b")):
        run = run_of(*seeded("a", [0, 0, 0], index_bytes=10), *seeded("b", shifts, index_bytes=10))
        [plane] = planes_of(points_of(run), "m@1")
        one = decide(plane, Budget("bytes", 10.0), Reader(), "m@1")
        assert one.leader == leader
        assert one.why == ("" if leader else "b and a within noise of seeds")


def beside_a_count(shifts):
    """Return rows of a count of one seed at .5 on average, and of a model with a shift by seed."""
    [count] = seeded("count", [0], history={}, index_bytes=10)
    return count, *seeded("model", shifts, index_bytes=10)


def test_what_needs_no_seeds_rivals_each_training(run_of):
    """Seed 0 alone would call +.09, 0, 0 better; p of the three is .42. Of +.03 thrice all hold."""
    for shifts, status in (([0.09, 0, 0], "not shown"), ([0.03, 0.03, 0.031], "better")):
        pairs = against_baseline(points_of(run_of(*beside_a_count(shifts))))
        _, row = compare_quality(pairs).to_dict("records")
        assert (row["status"], row["n_seeds"], row["warnings"]) == (status, 3, ())
        assert row["p_seeds"] == pytest.approx(stats.ttest_1samp(shifts, 0).pvalue)
        assert row["difference"] == pytest.approx(np.mean(shifts))


def test_what_needs_no_seeds_rivals_each_training_by_means_too(run_of):
    """Without values by query the three differences of the means are .09, 0, 0 as well."""
    run = dataclasses.replace(run_of(*beside_a_count([0.09, 0, 0])), read=lambda record: None)
    _, row = compare_quality(against_baseline(points_of(run))).to_dict("records")
    assert (row["n_seeds"], row["difference"]) == (3, pytest.approx(0.03))
    assert row["p_seeds"] == pytest.approx(stats.ttest_1samp([0.09, 0, 0], 0).pvalue)


def test_one_lucky_seed_does_not_lead_what_needs_no_seeds(run_of):
    """Within a budget the model leads the count by +.03 thrice, not by +.09, 0, 0."""
    for shifts, leader in (([0.09, 0, 0], None), ([0.03, 0.03, 0.031], "model")):
        [plane] = planes_of(points_of(run_of(*beside_a_count(shifts))), "m@1")
        one = decide(plane, Budget("bytes", 10.0), Reader(), "m@1")
        assert one.leader == leader
        assert one.why == ("" if leader else "model and count within noise of seeds")


def test_a_method_that_was_run_with_several_seeds_needs_them(run_of):
    """A second run of the same method has three seeds: the one of the first pairs with its own."""
    first = run_of(*seeded("count", [0], history={}))
    second = run_of(*seeded("count", [0.1, 0, 0], history={}), name="second")
    frame = compare_quality(between_runs(points_of(first), points_of(second)))
    assert frame["n_seeds"].tolist() == [1]
    assert "left out" in frame["warnings"][0][0]


def test_a_step_of_a_ladder_tells_both_intervals(run_of):
    """Three seeds lose .09, 0, 0 from the model to what is served: not shown, and both say why."""
    run = run_of(
        *seeded("s", [0, 0, 0], search={"scoring": "unquantised"}),
        *seeded("s", [-0.09, 0, 0], search={"scoring": "served"}),
    )
    [ladder] = ladders(points_of(run), "m@1")
    words = step_text(ladder.rungs[1].step)
    assert words.startswith("-0.0300 [-0.0300, -0.0300], over 3 seeds [-0.159")
    assert words.endswith("not shown")

"""How sure a ranking is: the best is chosen by the values that test the others against it."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from harness.compare.all_pairs import all_pairs_p
from harness.compare.paired import holm, sign_flip_p
from harness.compare.points import points_of
from harness.compare.quality import SEED
from harness.compare.ranking import against_best, ranking

N_SIMULATIONS, N_QUERIES = 400, 200
SLACK = 0.022  # two standard errors of a share of 5 % in 400 simulations


def pairs_of(n):
    return list(itertools.combinations(range(n), 2))


def equal_points(random, n_points, n=N_QUERIES):
    """Return values (n, points) of the same mean: queries are hard or easy, points differ by .2."""
    return random.normal(0, 0.2, (n, 1)) + random.normal(0, 0.2, (n, n_points))


def hits(random, n_points, n=N_QUERIES):
    """Return values 0 and 1 as a hit rate gives them, most queries alike for all points."""
    return (random.random((n, 1)) * 0.7 + random.random((n, n_points)) * 0.3 > 0.8) * 1.0


def against_chosen(values, seed):
    """Return the best and the p-values of the others against it that hold for all pairs."""
    pairs = np.array(pairs_of(values.shape[1]))
    best = int(values.mean(axis=0).argmax())
    p_values = all_pairs_p(values, pairs.tolist(), n_draws=1_000, seed=seed)
    return best, p_values[(pairs == best).any(axis=1)]


@pytest.mark.parametrize("n_points", [5, 15])
@pytest.mark.parametrize("made", [equal_points, hits])
def test_of_equal_points_the_chosen_best_is_seldom_sure(made, n_points):
    """In at most 5 % of 400 runs, and the slack of 400, any of 5 or 15 equal points is worse."""
    random = np.random.default_rng(41)
    found = [
        against_chosen(made(random, n_points), seed)[1].min() < 0.05
        for seed in range(N_SIMULATIONS)
    ]
    assert np.mean(found) <= 0.05 + SLACK


def test_holm_against_the_chosen_best_would_not_keep_its_level():
    """Why all pairs are the family: of 15 equal points one is called worse in 12 % or more."""
    random, found = np.random.default_rng(42), []
    for seed in range(N_SIMULATIONS):
        values = equal_points(random, 15)
        best = int(values.mean(axis=0).argmax())
        others = np.delete(values, best, axis=1) - values[:, [best]]
        found.append(min(holm(sign_flip_p(others.T, n_flips=1_000, seed=seed).tolist())) < 0.05)
    assert np.mean(found) > 0.12


def test_a_point_that_is_truly_better_is_still_found():
    """Six standard errors of a difference above 14 equal points: 9 in 10 of them are worse."""
    random, found = np.random.default_rng(43), []
    for seed in range(60):
        values = equal_points(random, 15)
        values[:, 3] += 6 * 0.2 * np.sqrt(2 / N_QUERIES)
        best, p_values = against_chosen(values, seed)
        assert best == 3
        found.append((p_values < 0.05).mean())
    assert np.mean(found) > 0.9


def test_points_that_differ_independently_give_the_studentised_range():
    """Of 8 points with noise of the same size, made orthogonal, the largest pair has Tukey's p."""
    random, n = np.random.default_rng(44), 4_000
    noise = random.normal(0, 1, (n, 8))
    noise = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(n)  # variance 1, correlation 0
    for span in (2.5, 3.5, 4.3, 5.0):
        means = np.linspace(0, span / np.sqrt(n), 8)
        p = all_pairs_p(noise + means, pairs_of(8), seed=1).min()
        assert p == pytest.approx(stats.studentized_range.sf(span, 8, np.inf), abs=0.015)


def test_one_pair_has_the_p_of_sign_flips():
    """Two points are one pair, and a family of one corrects nothing."""
    values = equal_points(np.random.default_rng(45), 2)
    flips = sign_flip_p((values[:, 0] - values[:, 1])[None], seed=2)[0]
    assert all_pairs_p(values, [(0, 1)], seed=3)[0] == pytest.approx(flips, abs=0.02)


def test_pairs_that_are_told_apart_do_not_count_for_the_rest():
    """Two equal points far below two others: the last pair's p is that of a family of one."""
    values = equal_points(np.random.default_rng(46), 4) + np.array([0.0, 0.0, 5.0, 9.0])
    p_values = dict(zip(pairs_of(4), all_pairs_p(values, pairs_of(4), seed=4), strict=True))
    alone = all_pairs_p(values[:, :2], [(0, 1)], seed=5)[0]
    assert p_values[0, 1] == pytest.approx(alone, abs=0.02)
    assert max(p for pair, p in p_values.items() if pair != (0, 1)) < 0.001


def test_the_same_answers_are_no_pair_to_tell_apart():
    """A point beside its copy has p 1 and does not disturb the others."""
    values = equal_points(np.random.default_rng(47), 2) + np.array([0.0, 1.0])
    p_values = all_pairs_p(np.column_stack([values, values[:, 0]]), pairs_of(3), seed=6)
    assert p_values[1] == 1.0
    assert (p_values[[0, 2]] < 0.001).all()


def rows_of(values, seeds=(1,), spread=0.01):
    """Return rows of a case for each column, of each seed the same shifted by chance."""
    random = np.random.default_rng(48)
    return [
        (f"c{number}", {"m@1": column + random.normal(0, spread)}, {"seed": seed})
        for number, column in enumerate(values.T)
        for seed in seeds
    ]


def test_rankings_of_equal_points_seldom_call_one_worse(run_of):
    """Of 60 runs of 15 equal points at most 5 do; against the best alone 11 would be expected."""
    random, found = np.random.default_rng(51), []
    for _ in range(60):
        run = run_of(*rows_of(equal_points(random, 15), spread=0.0))
        frame = ranking(against_best(points_of(run), "m@1"), "m@1")
        found.append("worse" in set(frame["status"]))
    assert sum(found) <= 5


def test_queries_and_seeds_both_count_for_all_pairs(run_of):
    """Of three seeds p is the larger of all pairs over queries and of Holm over their seeds."""
    values = equal_points(np.random.default_rng(49), 4) + np.array([0.0, 0.02, 0.04, 0.3])
    pairs = against_best(points_of(run_of(*rows_of(values, (1, 2, 3)))), "m@1")
    frame = ranking(pairs, "m@1")
    by_point = [
        np.array([one.run.read(record).metrics["m@1"] for record in one.records])
        for one in (pair.shown for pair in pairs)
    ]
    queries = all_pairs_p(
        np.column_stack([one.mean(axis=0) for one in by_point]), pairs_of(4), seed=SEED
    )
    means = [one.mean(axis=1) for one in by_point]
    seeds = holm([stats.ttest_rel(means[b], means[a]).pvalue for a, b in pairs_of(4)])
    assert frame["p_seeds_holm"].tolist()[1:] == pytest.approx(seeds[:3])
    assert frame["p_holm"].tolist()[1:] == pytest.approx(np.maximum(queries, seeds)[:3])


def test_where_a_query_was_not_scored_all_pairs_count_by_bonferroni(run_of):
    """Four points are six pairs: six times the p-value of each stands."""
    values = equal_points(np.random.default_rng(50), 4) + np.array([0.0, 0.02, 0.04, 0.06])
    values[0, 0] = np.nan
    frame = ranking(against_best(points_of(run_of(*rows_of(values))), "m@1"), "m@1")
    assert frame["p_holm"].tolist()[1:] == pytest.approx(np.minimum(1, 6 * frame["p"][1:]))


def test_without_values_by_query_seeds_are_judged_for_all_pairs(run_of):
    """Three points are three pairs: the smallest of the three p-values counts three times."""
    made = {"a": (0.6, 0.61, 0.62), "b": (0.3, 0.32, 0.31), "c": (0.4, 0.51, 0.62)}
    rows = [
        (case, {"m@1": [q]}, {"seed": seed})
        for case, ones in made.items()
        for seed, q in enumerate(ones)
    ]
    run = dataclasses.replace(run_of(*rows), read=lambda record: None)
    frame = ranking(against_best(points_of(run), "m@1"), "m@1")
    assert frame["status"].tolist() == ["baseline", "refused", "refused"]
    p = stats.ttest_rel(made["b"], made["a"]).pvalue
    assert frame["p_seeds_holm"].tolist()[2] == pytest.approx(3 * p)

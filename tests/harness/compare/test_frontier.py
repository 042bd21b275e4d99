"""Frontiers on cases small enough to draw."""

import numpy as np
import pytest
from made_points import plane_of, point

from harness.compare.budgets import (
    Budget,
    decide,
    offers_of,
)
from harness.compare.frontier import is_pareto, planes_of
from harness.compare.points import points_of
from harness.compare.quality import Reader
from harness.compare.ranking import against_best
from harness.report.frontier_tables import render_frontier


def test_pareto_is_that_of_brute_force():
    """A point stays unless another is at least as good in both and better in one; ties stay."""
    random = np.random.default_rng(0)
    for _ in range(50):
        quality, cost = random.integers(0, 6, (2, 12)).astype(float)
        kept = [
            not any(
                quality[b] >= quality[a]
                and cost[b] <= cost[a]
                and (quality[b] > quality[a] or cost[b] < cost[a])
                for b in range(12)
            )
            for a in range(12)
        ]
        assert is_pareto(quality, cost).tolist() == kept


def test_dominated_points_stay_and_are_marked(run_of):
    """(0.5, 100 QPS) beats (0.4, 50 QPS); (0.6, 10 QPS) does not; each has its own bytes."""
    run = run_of(
        point("a", 0.5, qps=100.0, index_bytes=10),
        point("b", 0.4, qps=50.0, index_bytes=5),
        point("c", 0.6, qps=10.0, index_bytes=20),
        point("d", 0.9, status="failed", reason="killed"),
    )
    plane = plane_of(run)
    assert len(plane.spots) == 4
    assert plane.on_frontier("QPS") == [True, False, True, False]
    assert plane.on_frontier("bytes") == [True, True, True, False]


def test_the_best_possible_score_competes_with_nobody(run_of):
    """A bound of 0.9 leaves the frontier to the methods."""
    run = run_of(point("a", 0.5), point("best_possible", 0.9))
    assert plane_of(run).on_frontier("QPS") == [True, False]


def test_planes_hold_what_compares(run_of):
    """Two loads, two devices and two thread counts are planes of their own."""
    changes = [{}, {"load": {"kind": "offline"}}, {"device": "cuda"}, {"threads": 2}]
    run = run_of(*(point(case, 0.5, **one) for case in "ab" for one in changes))
    assert [len(one.spots) for one in planes_of(points_of(run), "m@1")] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("change", "apart"),
    [
        ({"metrics_version": 2}, ["metrics version 1", "metrics version 2"]),
        ({"environment": {"numpy": "3"}}, ["numpy 2", "numpy 3"]),
        ({"metrics": {"m@1": 0.9, "m@50": 0.9}}, ["lists of 1", "lists of 50"]),
    ],
)
def test_other_metrics_libraries_or_lengths_of_lists_are_planes_of_their_own(run_of, change, apart):
    """Case b is far better, by other rules: it keeps a from no frontier, and the planes say why.

    A record that tells no metrics, as it failed, stands on the plane of the others of its load.
    """
    told = {"metrics_version": 1, "environment": {"numpy": "2"}}
    failed = point("c", 0.5, status="failed", reason="x", metrics={}, **told)
    run = run_of(point("a", 0.5, **told), failed, point("b", 0.9, **{**told, **change}))
    planes = planes_of(points_of(run), "m@1")
    assert [[one.point.first.case for one in x.spots] for x in planes] == [["a", "c"], ["b"]]
    assert [one.apart for one in planes] == apart
    assert planes[0].on_frontier("QPS") == [True, False]
    assert apart[0] in render_frontier(planes[0], "m@1", "text")


def test_seeds_by_two_versions_of_a_metric_are_not_pooled(run_of):
    """Seed 1 by version 1 is .4, seed 2 by version 2 .8: two places, and no mean of .6."""
    run = run_of(*(point("a", q, seed=n, metrics_version=n) for n, q in ((1, 0.4), (2, 0.8))))
    planes = planes_of(points_of(run), "m@1")
    assert [one.spots[0].quality for one in planes] == pytest.approx([0.4, 0.8])


def over(case, qualities, **changes):
    """Return a row for each seed, None for one that is invalid."""
    bad = {"status": "invalid", "reason": "x"}
    return [
        point(case, quality or 0.5, seed=seed, **changes, **({} if quality else bad))
        for seed, quality in zip((7, 8, 9), qualities, strict=True)
    ]


def test_a_point_that_lost_seeds_beats_nobody_by_the_easy_one_that_is_left(run_of):
    """Case a has .4, .4, .7, mean .5; b the same with 7 and 8 invalid: its .7 is seed 9 alone.

    The frontier and every budget are a's and c's; b stays in the table, with one seed.
    """
    run = run_of(
        *over("a", (0.4, 0.4, 0.7), index_bytes=10),
        *over("b", (None, None, 0.7), index_bytes=10),
        *over("c", (0.3, 0.3, 0.3), index_bytes=5),
    )
    plane = plane_of(run)
    assert [one.seeds for one in plane.spots] == [(7, 8, 9), (9,), (7, 8, 9)]
    assert [one.missing for one in plane.spots] == [(), (7, 8), ()]
    assert [one.quality for one in plane.spots] == pytest.approx([0.5, 0.7, 0.3])
    assert plane.on_frontier("bytes") == [True, False, True]
    one = decide(plane, Budget("bytes", 20.0), Reader(), "m@1")
    assert {x.case: x.value for x in one.offers} == {
        "a": pytest.approx(0.5), "c": pytest.approx(0.3)
    }  # fmt: skip
    table = render_frontier(plane, "m@1", "text")
    cells = [line.split() for line in table.splitlines() if line[:2] in ("a ", "b ", "c ")]
    assert [(one[0], one[3]) for one in cells] == [("a", "3"), ("b", "1"), ("c", "3")]
    assert "lacks seeds 7, 8, which most have" in table
    assert "left out" in table


def test_a_seed_that_most_points_have_not_counts_for_nobody(run_of):
    """Case a was run with seeds 1 and 2, b and c with 1: its .8 of seed 2 is not in its mean."""
    run = run_of(
        point("a", 0.4, qps=10.0), point("a", 0.8, seed=2, qps=90.0),
        point("b", 0.5), point("c", 0.3),
    )  # fmt: skip
    first = plane_of(run).spots[0]
    assert (first.quality, first.seeds, first.missing) == (pytest.approx(0.4), (1,), ())
    assert first.costs["QPS"].value == pytest.approx(10.0)


def test_bytes_are_the_mean_over_seeds(run_of):
    """Case a has 10 B of seed 1, in two repeats, and 30 B of seed 2: 20 B; b has 15, which is less.

    By seed 1 alone a would have the least bytes and fit into 16.
    """
    run = run_of(
        *(point("a", 0.4, repeat=n, index_bytes=10) for n in (0, 1)),
        point("a", 0.4, seed=2, index_bytes=30),
        *(point("b", 0.5, seed=n, index_bytes=15) for n in (1, 2)),
    )
    plane = plane_of(run)
    assert plane.spots[0].costs["bytes"].value == pytest.approx(20.0)
    assert plane.on_frontier("bytes") == [False, True]
    within = {x.case: x.how for x in offers_of(plane, Budget("bytes", 16.0))}
    assert within == {"a": "none", "b": "alone"}


def test_what_is_the_same_with_every_seed_needs_but_one(run_of):
    """Two counts of one seed beside one model of three: all take part, the model with its mean."""
    run = run_of(
        *over("model", (0.4, 0.5, 0.6), index_bytes=20),
        point("count", 0.3, seed=7, index_bytes=5, history={}),
        point("other", 0.2, seed=7, index_bytes=4, history={}),
    )  # fmt: skip
    plane = plane_of(run)
    assert [one.quality for one in plane.spots] == pytest.approx([0.5, 0.3, 0.2])
    assert [one.missing for one in plane.spots] == [(), (), ()]
    assert plane.on_frontier("bytes") == [True, True, True]
    pairs = against_best(points_of(run), "m@1")
    assert [one.other.first.case for one in pairs] == ["model", "count", "other"]


def test_index_loss_and_model_loss_by_hand(run_of):
    """Served with agreement 0.9 and quality 0.5; exactly 0.6 of a possible 0.7.

    Index loss is 0.1, model loss 0.7 - 0.6 in both settings of the trial; of a case that no point
    searches exactly nothing is known.
    """
    values = [(("ivf", 1), 0.5, 0.9), (("ivf", 2), 0.6, 1.0), (("x", 1), 0.4, 0.8)]
    made = [
        (case, {}, {"search": {"nprobe": n}, "metrics": {"m@1": q, "ann_recall@1": r}})
        for (case, n), q, r in values
    ]
    run = run_of(*made, ("best_possible", {}, {"metrics": {"m@1": 0.7}}))
    spots = plane_of(run).spots
    assert [one.index_loss for one in spots[:3]] == pytest.approx([0.1, 0.0, 0.2])
    assert [one.model_loss for one in spots[:2]] == pytest.approx([0.1, 0.1])
    assert spots[2].model_loss is None

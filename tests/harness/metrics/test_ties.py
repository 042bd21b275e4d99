"""Bounds and expectation over tie orders, against trying every order."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from harness.metrics.evaluate import FORMULAS, evaluate
from harness.metrics.metric import Metric, parse_metric
from harness.metrics.ties import tie_bounds
from harness.topk import TopK, select_top_k

N_ITEMS = 6
METRICS = [Metric(name, k) for name in FORMULAS for k in (1, 2, 3, 5, 8)]


def bounds_of(metric, scores, relevant):
    scores = np.array(scores, np.float32)
    ranked = select_top_k(scores, scores.shape[1])
    found = tie_bounds([parse_metric(metric)], ranked, Lists.of(relevant), scores.shape[1])[metric]
    return [one.tolist() for one in (found.low, found.expected, found.high)]


def test_two_tied_items_by_hand():
    """Items 1 and 2 tie at ranks 2 and 3, item 2 is relevant: in the top 2 in one of two orders."""
    assert bounds_of("recall@2", [[3, 1, 1]], [[2]]) == [[0.0], [0.5], [1.0]]
    assert bounds_of("mrr@3", [[3, 1, 1]], [[2]]) == [[1 / 3], [(1 / 2 + 1 / 3) / 2], [1 / 2]]


def test_without_ties_all_three_are_the_value():
    """Strict scores leave one order."""
    for name in ("ndcg@2", "map@3", "mrr@1"):
        low, mean, high = bounds_of(name, [[1, 3, 2]], [[0, 2]])
        assert low == mean == high


@settings(max_examples=30, deadline=None)
@given(
    scores=st.lists(st.integers(0, 2), min_size=N_ITEMS, max_size=N_ITEMS),
    relevant=st.sets(st.integers(0, N_ITEMS - 1), min_size=1),
    n_pads=st.integers(0, 2),
)
def test_agrees_with_trying_every_order(scores, relevant, n_pads):
    """Low, mean and high of every metric are those over all permutations that scores allow."""
    shown = N_ITEMS - n_pads  # the last items cannot be returned
    orders = [
        [*order, *[-1] * n_pads]
        for order in itertools.permutations(range(shown))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    ids, answers = np.array(orders), Lists.of([sorted(relevant)] * len(orders))
    values = evaluate(METRICS, ids, answers, N_ITEMS)
    row = np.array([scores], np.float32)
    row[0, shown:] = -np.inf
    found = tie_bounds(METRICS, select_top_k(row, N_ITEMS), Lists.of([sorted(relevant)]), N_ITEMS)
    for name, tried in values.items():
        expected = (tried.min(), tried.mean(), tried.max())
        one = found[name]
        assert (one.low[0], one.expected[0], one.high[0]) == pytest.approx(expected, abs=1e-12)


def test_a_constant_scorer_is_at_chance_level():
    """100 equal items, 7 relevant: a random list of 10 holds 10 % of them, and a hit by chance."""
    scores = np.zeros((1, 100), np.float32)
    ranked, relevant = select_top_k(scores, 100), Lists.of([list(range(7))])
    metrics = [Metric("recall", 10), Metric("precision", 10), Metric("hit_rate", 10)]
    found = tie_bounds(metrics, ranked, relevant, 100)
    assert found["recall@10"].expected == pytest.approx([0.10])
    assert found["precision@10"].expected == pytest.approx([0.07])
    none = np.prod([(93 - place) / (100 - place) for place in range(10)])
    assert found["hit_rate@10"].expected == pytest.approx([1 - none])
    # by the smaller-id rule the same scorer looks perfect: what the expectation is there to show
    assert evaluate(metrics, ranked.ids, relevant, 100)["recall@10"] == [1.0]


def test_random_scores_come_out_at_chance_level_too():
    """4,000 lists in random order: mean recall@10 of 100 items is 0.1 within four deviations."""
    scores = np.random.default_rng(1).random((4000, 100), np.float32)
    relevant = Lists(np.arange(0, 4000 * 7 + 1, 7), np.tile(np.arange(7), 4000))
    ids = select_top_k(scores, 10).ids
    recall = evaluate([Metric("recall", 10)], ids, relevant, 100)["recall@10"]
    assert abs(recall.mean() - 0.1) < 4 * recall.std() / np.sqrt(4000)


def test_an_empty_list_scores_zero_in_every_order():
    """Pads belong to no tie group."""
    ranked = TopK(np.full((1, 3), -1), np.full((1, 3), -np.inf, np.float32))
    for one in tie_bounds(METRICS, ranked, Lists.of([[0]]), 3).values():
        assert (one.low[0], one.expected[0], one.high[0]) == (0.0, 0.0, 0.0)

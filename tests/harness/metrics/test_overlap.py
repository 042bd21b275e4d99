"""ann_recall: agreement with the exact list, by hand."""

import numpy as np
import pytest

from harness.metrics.overlap import ann_recall
from harness.topk import select_top_k

# Exact scores of items 0..5 for one query; 1 and 2 tie with each other.
SCORES = np.array([[9.0, 7.0, 7.0, 5.0, 1.0, 0.0]], np.float32)


def agreement(ids, k, scores=SCORES, exact=None, **options):
    found = np.array([ids])
    own = np.where(found >= 0, scores[0][np.maximum(found, 0)], -np.inf)
    return ann_recall(found, own, exact or select_top_k(scores, k), k, **options).tolist()


def test_the_exact_list_agrees_fully():
    """Exact search against itself is 1."""
    assert agreement([0, 1, 2], 3) == [1.0]


def test_a_missing_item_costs_one_kth():
    """[0 3] against [0 1]: score 5 does not reach the second best, 7."""
    assert agreement([0, 3], 2) == [0.5]


def test_a_tied_item_is_as_good():
    """[0 2] against [0 1]: 2 and 1 have the same score, and ours is only one of two orders."""
    assert agreement([0, 2], 2) == [1.0]


def test_order_does_not_matter():
    """Agreement is of sets: [2 0] is as good as [0 2]."""
    assert agreement([2, 0], 2) == [1.0]


def test_tolerance_covers_rounding_and_no_more():
    """6.99997 against a bound of 7 is a tie at 1e-5 relative (7e-5), 6.999 is not."""
    near = SCORES.copy()
    near[0, 2] = 6.99997
    assert agreement([0, 2], 2, near) == [1.0]
    near[0, 2] = 6.999
    assert agreement([0, 2], 2, near) == [0.5]
    assert agreement([0, 2], 2, near, tolerance=1e-3) == [1.0]


def test_negative_scores_are_tolerated_downwards_too():
    """The bound of a negative k-th score lies below it, not above."""
    assert agreement([0, 1], 2, np.array([[-1.0, -2.0, -3.0]], np.float32)) == [1.0]


def test_a_repeated_item_counts_once():
    """[0 0 0] holds one of the three best."""
    assert agreement([0, 0, 0], 3) == pytest.approx([1 / 3])


def test_more_ties_than_places_is_not_more_than_all():
    """With all scores equal any two items are the exact two, and nothing exceeds 1."""
    assert agreement([3, 4], 2, np.zeros((1, 6), np.float32)) == [1.0]


def test_pads_miss_and_what_follows_the_cut_is_ignored():
    """[3 pad | 0] at 2: item 3 is not among the best two, the pad is nothing, 0 came too late."""
    assert agreement([3, -1, 0], 2) == [0.0]


def test_a_short_exact_list_is_its_own_divisor():
    """Only 0 and 1 can be returned: finding both is 1, finding one is a half."""
    scores = np.full((1, 6), -np.inf, np.float32)
    scores[0, :2] = 2, 1
    exact = select_top_k(scores, 4)
    assert agreement([0, 1, -1, -1], 4, scores, exact) == [1.0]
    assert agreement([0, 5, -1, -1], 4, scores, exact) == [0.5]


def test_with_nothing_to_find_nothing_is_missed():
    """An empty exact list gives 1."""
    scores = np.full((1, 6), -np.inf, np.float32)
    assert agreement([-1, -1], 2, scores, select_top_k(scores, 2)) == [1.0]


def test_shapes_that_do_not_fit_are_refused():
    """Scores of other ids, other queries, or exact lists shorter than k are faults."""
    exact, ids = select_top_k(SCORES, 2), np.array([[0, 1]])
    with pytest.raises(ValueError, match="differ"):
        ann_recall(ids, np.zeros((1, 3)), exact, 2)
    with pytest.raises(ValueError, match="1 exact lists for 2"):
        ann_recall(np.zeros((2, 2), np.int64), np.zeros((2, 2)), exact, 2)
    with pytest.raises(ValueError, match="too short for ann_recall@3"):
        ann_recall(ids, np.zeros((1, 2)), exact, 3)

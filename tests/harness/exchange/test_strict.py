"""Strict scores: what every program orders in the same way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ExchangeError
from harness.exchange.strict import next_below, strict_scores
from harness.topk import PAD_ID, TopK

FLOATS = st.floats(width=32, min_value=-(2.0**99), max_value=2.0**99)


@given(st.lists(FLOATS, min_size=1, max_size=12))
def test_scores_fall_strictly_and_move_little(values):
    """In single precision every score is below the one before; none rises, none falls by much."""
    given_scores = -np.sort(-np.array([values], np.float32), axis=1)
    answers = TopK(np.arange(len(values))[None], given_scores)
    strict, report = strict_scores(answers, "here")
    assert (np.diff(strict, axis=1) < 0).all()
    assert (strict <= given_scores).all()
    spacing = np.maximum(np.abs(given_scores) * 2.0**-22, 1.2e-38) * len(values)
    assert (given_scores - strict <= spacing).all()
    assert report.moved == (strict != given_scores).sum()
    texts = [float(f"{one:.9g}") for one in strict[0].tolist()]
    assert texts == sorted(set(texts), reverse=True)


def test_around_zero_no_score_is_subnormal():
    """0 ties thrice: 0, minus the least normal float32, then the next below; none flushed to 0."""
    scores = np.zeros((1, 3), np.float32)
    strict, _ = strict_scores(TopK(np.arange(3)[None], scores), "here")
    tiny = float(np.finfo(np.float32).tiny)
    assert strict[0, :2].tolist() == [0.0, -tiny]
    assert strict[0, 2] < -tiny
    assert next_below(np.array([tiny], np.float32)).tolist() == [0.0]


def test_the_report_counts_by_hand():
    """Two lists: 2, 2, 1 has one tie and one move of 2^-23 * 2; 3, 2 and a pad has none."""
    scores = np.array([[2, 2, 1], [3, 2, -np.inf]], np.float32)
    strict, report = strict_scores(TopK(np.array([[0, 1, 2], [0, 1, PAD_ID]]), scores), "here")
    assert strict[1].tolist() == [3.0, 2.0, -np.inf]
    assert (report.n_lists, report.n_entries, report.tied_lists, report.moved) == (2, 5, 1, 1)
    assert report.largest_move == 2.0**-23
    assert str(report).startswith("1 of 2 lists had ties; 1 of 5 scores lowered, by 1.19e-07")


def test_pushing_may_reach_the_next_score():
    """1, 1 and the float just below 1: the second takes its place, so the third moves too."""
    below = np.nextafter(np.float32(1), np.float32(0))
    scores = np.array([[1, 1, below]], np.float32)
    strict, report = strict_scores(TopK(np.arange(3)[None], scores), "here")
    assert strict[0, 1] == below
    assert strict[0, 2] < below
    assert (report.tied_lists, report.moved) == (1, 2)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1, np.nan], "point p: query 0 has a score that is not finite"),
        ([1, 2], "point p: the scores of query 0 rise; expected best first"),
        ([-3.4028235e38, -3.4028235e38], "leave no room"),
    ],
)
def test_lists_without_an_order_are_refused(scores, message):
    """NaN, rising scores, and the lowest float twice have no strict form."""
    with pytest.raises(ExchangeError, match=message):
        strict_scores(TopK(np.array([[0, 1]]), np.array([scores], np.float32)), "point p")

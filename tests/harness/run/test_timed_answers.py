"""Answers given while timed are held against the scored ones, all of them."""

import numpy as np
import pytest

from harness.lists import Lists
from harness.run.timed_answers import TimedAnswers
from harness.topk import TopK

N_ITEMS = 20
IDS = (np.arange(10)[:, None] + np.arange(3)) % N_ITEMS  # of ten queries
SCORES = np.tile(np.array([3, 2, 1], np.float32), (10, 1))


def answers(rows, change=None):
    """Return the scored answers to ``rows``; ``change`` edits copies of ids and scores."""
    ids, scores = IDS[rows].copy(), SCORES[rows].copy()
    if change is not None:
        change(ids, scores)
    return TopK(ids, scores)


@pytest.fixture
def check():
    """Return the check of answers to ten queries."""
    return TimedAnswers(TopK(IDS, SCORES), N_ITEMS)


def test_the_same_answers_in_any_order_and_often_are_fine(check):
    """Rows say which query an answer is for."""
    for rows in ([3, 1, 1], list(range(9, -1, -1))):
        check(np.array(rows), answers(np.array(rows)))
    assert (check.n_checked, check.n_differ, check.faults) == (13, 0, ())


def test_junk_among_ties_is_found_by_what_it_holds():
    """All scores tie, so any items may stand for others; but the scored ones were relevant.

    Items exchanged by chance gain as often as they lose, and pass.
    """
    n, k = 100, 3
    random = np.random.default_rng(0)
    ids = np.argsort(random.random((n, N_ITEMS)), axis=1)[:, :k]
    scores = np.zeros((n, k), np.float32)
    liked = Lists.of([sorted(random.permutation(N_ITEMS)[:8].tolist()) for _ in range(n)])
    good = np.array([np.resize(liked.row(row), k) for row in range(n)])
    other = np.argsort(random.random((n, N_ITEMS)), axis=1)[:, :k]
    junk = TimedAnswers(TopK(good, scores), N_ITEMS, liked)
    junk(np.arange(n), TopK(ids, scores))
    assert junk.n_differ == 0
    assert any("hold -" in one for one in junk.faults)
    chance = TimedAnswers(TopK(ids, scores), N_ITEMS, liked)
    chance(np.arange(n), TopK(other, scores))
    assert (chance.n_differ, chance.faults) == (0, ())


def test_other_ids_are_counted(check):
    """Two of five answers name another item where no tie explains it."""

    def change(ids, scores):
        ids[1, 0] = 17
        ids[4, 1] = 18

    check(np.arange(5), answers(np.arange(5), change))
    assert (check.n_checked, check.n_differ) == (5, 2)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"scores": (0, 1, np.nan)}, "1 NaN scores"),
        ({"ids": (0, 1, 0)}, "1 duplicate ids in lists"),
        ({"ids": (2, 0, N_ITEMS)}, "1 ids outside the catalogue"),
        ({"ids": (2, 0, -7)}, "1 ids outside the catalogue"),
        ({"ids": (2, 1, -1)}, "1 pads with a score or items with a pad's score"),
        ({"scores": (2, 2, 9.0)}, "1 lists whose scores rise"),
    ],
)
def test_faults_of_lists_are_counted_and_differ_too(check, value, fault):
    """A NaN, a duplicate, an unknown id while timed: named, and a difference."""

    def change(ids, scores):
        ((name, (row, column, new)),) = value.items()
        {"ids": ids, "scores": scores}[name][row, column] = new

    check(np.arange(5), answers(np.arange(5)))
    check(np.arange(5), answers(np.arange(5), change))
    assert check.faults == (fault,)
    assert check.n_differ == 1


def test_counts_add_up_over_blocks(check):
    """Two blocks with a NaN each."""

    def change(ids, scores):
        scores[0, 0] = np.nan

    for _ in range(2):
        check(np.arange(3), answers(np.arange(3), change))
    assert check.faults == ("2 NaN scores",)

"""Random: uniform, reproducible, and independent between queries."""

import numpy as np

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from methods.classical.random import Random

N_ITEMS = 500


def scores(histories, users=None, seed=1):
    method = Random(seed=seed)
    method.fit(Interactions(Lists.empty(3), N_ITEMS))
    method.build()
    n = len(histories)
    users = np.full(n, -1) if users is None else np.array(users)
    asked = Queries(users, Lists.of(histories), Lists.empty(n))
    return method.score(asked, np.arange(N_ITEMS))


def test_scores_are_uniform():
    """Of 100 queries: all in [0, 1), and tenths hold 5,000 each, within five deviations (67)."""
    drawn = scores([[one] for one in range(100)])
    assert ((drawn >= 0) & (drawn < 1)).all()
    counts, _ = np.histogram(drawn, bins=10, range=(0, 1))
    assert np.abs(counts - 5000).max() < 5 * 67


def test_queries_draw_apart():
    """User, items, their order and the seed each change the lot: correlations are noise."""
    drawn = scores([[1, 2], [2, 1], [1], [1, 2]], users=[-1, -1, -1, 4])
    other = scores([[1, 2]], seed=2)
    off_diagonal = np.corrcoef(np.vstack((drawn, other)))[np.triu_indices(5, 1)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(N_ITEMS)


def test_the_same_question_gets_the_same_answer():
    """Whatever it is asked with."""
    alone, among = scores([[7, 8]], [3]), scores([[1], [7, 8], []], [0, 3, -1])
    assert np.array_equal(alone[0], among[1])

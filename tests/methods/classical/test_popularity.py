"""Popularity: one order for all, without what is hidden."""

import numpy as np

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.topk import select_top_k
from methods.classical.popularity import Popularity

# counts: item 0 once, item 1 three times, item 2 twice, item 3 never, item 4 twice
LOG = Interactions(Lists.of([[1, 2], [1, 4, 2], [0, 1, 4]]), 5)


def queries(hidden, log=LOG):
    n = len(hidden)
    return Queries(np.arange(n), Lists.empty(n), Lists.of(hidden))


def fitted(log=LOG):
    method = Popularity()
    method.fit(log)
    method.build()
    return method


def test_most_interacted_first_ties_to_the_smaller_id():
    """Counts 1 3 2 0 2: order 1, 2, 4, 0, 3; items 2 and 4 tie."""
    found = fitted().search(queries([[]]), 5)
    assert found.ids.tolist() == [[1, 2, 4, 0, 3]]
    assert found.scores.tolist() == [[3, 2, 2, 1, 0]]


def test_hidden_items_are_skipped_each_query_its_own():
    """What one query hides another still gets, and the lists are filled up from below."""
    found = fitted().search(queries([[1, 4], [], [0, 1, 2, 3]]), 2)
    assert found.ids.tolist() == [[2, 0], [1, 2], [4, -1]]
    assert found.scores.tolist() == [[2, 1], [3, 2], [2, -np.inf]]


def test_search_is_the_best_of_score():
    """On a random log every list equals the exact selection from score()."""
    random = np.random.default_rng(0)
    log = Interactions(Lists.of([random.integers(0, 50, 9).tolist() for _ in range(40)]), 50)
    hidden = [
        sorted(set(random.integers(0, 50, random.integers(0, 30)).tolist())) for _ in range(40)
    ]
    asked, method = queries(hidden), fitted(log)
    for k in (1, 7, 50):
        expected = select_top_k(method.score(asked, np.arange(50)), k, asked.hidden)
        found = method.search(asked, k)
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(found.scores, expected.scores)


def test_footprint_is_what_the_arrays_hold():
    """Five items: order and place of 8 bytes, count of 4."""
    assert fitted().footprint().index_bytes == 5 * (8 + 8 + 4)

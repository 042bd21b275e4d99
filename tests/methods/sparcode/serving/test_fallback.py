"""The fallback fills short lists, below what has a score, and only when asked."""

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID, TopK, select_top_k
from methods.sparcode.retriever import SparCode, SparCodeParams, SparCodeSearch
from methods.sparcode.serving.fallback import PopularityFallback

# counts: item 0 once, 1 three times, 2 twice, 3 never, 4 twice
LOG = Interactions(Lists.of([[1, 2], [1, 4, 2], [0, 1, 4]]), 5)


def test_pads_become_popular_items():
    """Popularity 1, 2, 4, 0, 3; 2 is there already, 1 is hidden from the second query."""
    found = TopK(
        np.array([[2, -1, -1], [2, -1, -1], [3, 2, 1]]),
        np.array([[5, -np.inf, -np.inf], [5, -np.inf, -np.inf], [3, 2, 1]], np.float32),
    )
    filled = PopularityFallback.of_log(LOG).fill(found, Lists.of([[], [1], []]))
    assert filled.ids.tolist() == [[2, 1, 4], [2, 4, 0], [3, 2, 1]]
    np.testing.assert_allclose(filled.scores[1], [5, 2 / 4 - 1, 1 / 4 - 1])


def test_fillers_stand_below_candidates_that_were_scored_again():
    """The least candidate has -7: fillers of popularity -1/2 and -3/4 get -7.5 and -7.75."""
    found = TopK(np.array([[2, 1, -1, -1]]), np.array([[1, -7, -np.inf, -np.inf]], np.float32))
    filled = PopularityFallback.of_log(LOG).fill(found, Lists.empty(1))
    assert filled.ids.tolist() == [[2, 1, 4, 0]]
    assert filled.scores.tolist() == [[1, -7, -7.5, -7.75]]


def test_where_nothing_is_left_pads_stay():
    """Everything hidden but one item."""
    found = TopK(np.full((1, 3), -1), np.full((1, 3), -np.inf, np.float32))
    filled = PopularityFallback.of_log(LOG).fill(found, Lists.of([[0, 1, 2, 4]]))
    assert filled.ids.tolist() == [[3, -1, -1]]
    assert filled.scores[0, 0] == -1


@pytest.mark.parametrize("scoring", ["served", "quantised", "unquantised"])
def test_a_filled_list_is_the_top_of_the_filled_score(scoring):
    """With one score for all items, exact search and score agree; without asking, pads stay."""
    params = SparCodeParams(
        dim=8, hidden=16, n_heads=1, n_codewords=4, epochs=12, warm_up=2, batch_size=64
    )
    method = SparCode(params, seed=1)
    method.fit(tiny_log())
    if scoring == "served":  # no list has anything: whatever comes back is filled in
        method._model.bias.data.fill_(-1e3)
    method.build()
    whole = tiny_held_out(tiny_log()).queries
    queries = Queries(whole.user_ids, whole.history, whole.hidden, whole.fields)
    method.search_params = SparCodeSearch(scoring)
    short = method.search(queries, 30)
    assert (short.ids[:, -1] == PAD_ID).all()
    method.search_params = SparCodeSearch(scoring, fallback="popularity")
    found = method.search(queries, 30)
    best = select_top_k(method.score(queries, np.arange(30)), 30, queries.hidden)
    np.testing.assert_array_equal(found.ids, best.ids)
    np.testing.assert_array_equal(found.scores, best.scores)
    assert (found.ids != PAD_ID).sum(axis=1).tolist() == (30 - queries.hidden.lengths).tolist()
    assert (method.counters()["filled"] > 0) == (scoring == "served")

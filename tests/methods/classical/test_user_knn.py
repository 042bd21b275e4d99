"""UserKNN: similarities by hand, and against dense algebra for every variant."""

import itertools
import math

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from harness.topk import select_top_k
from methods.classical.user_knn import UserKNN, UserKNNParams

# a question for items 0 and 1 has 2 items; users 0, 1 and 2 share 2, 1 and 0 of them
LOG = Interactions(Lists.of([[0, 1, 2], [1, 3], [4]]), 5)


def fitted(log, **params):
    method = UserKNN(UserKNNParams(**params))
    method.fit(log)
    method.build()
    return method


def one_query(history, user=-1):
    return Queries(np.array([user]), Lists.of([history]), Lists.of([sorted(history)]))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [2 / math.sqrt(6), 1 / 2]),
        ({"similarity": "jaccard"}, [2 / 3, 1 / 3]),
        ({"similarity": "dot"}, [2.0, 1.0]),
        ({"shrinkage": 1.0}, [2 / (math.sqrt(6) + 1), 1 / 3]),
        ({"power": 2.0}, [4 / 6, 1 / 4]),
    ],
)
def test_by_hand(params, expected):
    """User 0 votes for item 2, user 1 for item 3; user 2 is no neighbour."""
    found = fitted(LOG, **params).search(one_query([0, 1]), 3)
    assert found.ids.tolist() == [[2, 3, -1]]
    assert found.scores[0, :2].tolist() == pytest.approx(expected)


def test_only_the_nearest_vote():
    """With one neighbour item 3, which the second nearest met, has no score."""
    found = fitted(LOG, n_neighbours=1).search(one_query([0, 1]), 3)
    assert found.ids.tolist() == [[2, -1, -1]]


def test_nobody_is_their_own_neighbour():
    """Asked as user 0 with that user's history, only user 1 votes."""
    found = fitted(LOG).search(one_query([0, 1, 2], user=0), 3)
    assert found.ids.tolist() == [[3, -1, -1]]


VARIANTS = [
    {"similarity": one, "weighting": weighting, "n_neighbours": n, "power": power}
    for one, weighting, n, power in itertools.product(
        ("cosine", "jaccard", "dot"), ("none", "idf"), (3, 100), (1.0, 0.5)
    )
] + [{"shrinkage": 2.0}, {"similarity": "jaccard", "shrinkage": 2.0}]


@pytest.mark.parametrize("params", VARIANTS, ids=str)
def test_agrees_with_dense_algebra(log, met, asked, asked_met, params):
    """Every variant scores as the formula says, repeated events in log and history included."""
    given = dict.fromkeys(("similarity", "weighting", "shrinkage"), None) | params
    weight = np.ones(log.n_items)
    if given["weighting"] == "idf":
        weight = np.log(log.n_users / np.maximum(met.sum(0), 1)) ** 2
    dot = (asked_met * weight) @ met.T
    norms = (asked_met @ weight)[:, None], met @ weight
    shrinkage = given["shrinkage"] or 0.0
    near = {
        "dot": dot,
        "jaccard": dot / np.maximum(norms[0] + norms[1] - dot + shrinkage, 1e-30),
    }.get(given["similarity"], dot / np.maximum(np.sqrt(norms[0] * norms[1]) + shrinkage, 1e-30))
    near[dot == 0] = 0
    for row in near:
        order = np.lexsort((np.arange(row.size), -row.astype(np.float32)))
        row[order[params.get("n_neighbours", 100) :]] = 0
    near **= params.get("power", 1.0)
    expected = np.where((near > 0) @ met > 0, near @ met, -np.inf)
    scores = fitted(log, **params).score(asked, np.arange(log.n_items))
    assert scores == pytest.approx(expected.astype(np.float32), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("k", [1, 5, 25])
def test_search_is_the_best_of_score_one_by_one_too(log, asked, k):
    """Lists equal the exact selection from score(); no query sees what another left behind."""
    method = fitted(log, n_neighbours=7)
    expected = select_top_k(method.score(asked, np.arange(log.n_items)), k, asked.hidden)
    found = method.search(asked, k)
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.scores, expected.scores)
    for row in range(len(asked)):
        alone = method.search(asked.take(np.array([row])), k)
        assert np.array_equal(alone.ids[0], found.ids[row])


def test_counters_and_footprint():
    """Users 0 and 1 of item 1, user 0 of item 0; then 3 + 2 items, 4 of them distinct."""
    method = fitted(LOG)
    method.search(one_query([0, 1]), 2)
    assert method.counters() == {"postings": 3 + 5, "candidates": 4}
    n_bytes = 2 * 6 * 4 + (4 + 6) * 8 + (5 + 3) * 4  # events twice, pointers, weights
    assert method.footprint().index_bytes == n_bytes


@pytest.mark.parametrize("power", [300.0, 60.0])
def test_votes_that_vanish_count_an_item_once(power):
    """400 users of 50 items, 300 neighbours: a vote of 0 in single precision names no item twice.

    An item met has a sum, if one of 0, and ties go to the smaller id.
    """
    random = np.random.default_rng(0)
    lists = [np.unique(random.integers(0, 50, 20)).tolist() for _ in range(400)]
    histories = Lists.of(lists[:4])
    method = fitted(Interactions(Lists.of(lists), 50), n_neighbours=300, power=power)
    found = method.search(Queries(np.arange(4), histories, histories), 50)
    others = [sorted(set(range(50)) - set(one)) for one in lists[:4]]
    assert [sorted(row[row >= 0].tolist()) for row in found.ids] == others
    assert method.counters()["candidates"] == 4 * 50
    if power == 300.0:
        assert [row[row >= 0].tolist() for row in found.ids] == others  # all sums are 0


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        (UserKNNParams, {"n_neighbours": 0}, "n_neighbours = 0; expected at least 1"),
        (UserKNNParams, {"power": 0.0}, "power = 0.0; expected more than 0"),
        (UserKNNParams, {"shrinkage": -1.0}, "shrinkage = -1.0; expected at least 0"),
        (UserKNNParams, {"similarity": "dot", "shrinkage": 1.0}, "changes nothing"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(cls, given, message):
    """Each says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_params(cls, given)

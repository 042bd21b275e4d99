"""Quality of a run whose scores tie: the order of ties must not pass for knowledge."""

from types import SimpleNamespace

import numpy as np

from harness.interactions import HeldOut, Queries
from harness.lists import Lists
from harness.retriever import Retriever
from harness.run.quality import assess
from harness.topk import select_top_k

N_ITEMS, N_QUERIES, K = 50, 40, 3


class Constant(Retriever):
    """Scores every item the same."""

    def fit(self, train, validation=None):
        """Learn nothing."""

    def search(self, queries, k):
        return select_top_k(np.zeros((len(queries), N_ITEMS), np.float32), k, queries.hidden)


class ById(Constant):
    """Scores no two items the same."""

    def search(self, queries, k):
        scores = -np.arange(N_ITEMS, dtype=np.float32)
        return select_top_k(np.tile(scores, (len(queries), 1)), k, queries.hidden)


def assessed(retriever):
    """Assess with item 0 relevant for each query."""
    nothing = Lists.empty(N_QUERIES)
    queries = Queries(np.arange(N_QUERIES), nothing, nothing)
    test = HeldOut(queries, Lists.of([[0]] * N_QUERIES))
    spec = SimpleNamespace(metrics=("recall@3", "ndcg@3"), k=K, seed=0)
    return assess(spec, retriever, test, N_ITEMS, retriever.search(queries, K))


def test_a_constant_scorer_comes_out_at_chance():
    """Ties by id put item 0 first: recall 1. Over all orders it is 3 of 50, at worst 0."""
    quality = assessed(Constant())
    assert quality.means["recall@3"] == 1.0
    assert quality.tied_lists == 1.0
    low, expected, high = quality.ties["recall@3"]
    assert (low, high) == (0.0, 1.0)
    np.testing.assert_allclose(expected, K / N_ITEMS)


def test_without_ties_there_are_no_bounds():
    """Strict scores leave one order, and nothing to say."""
    quality = assessed(ById())
    assert quality.means["recall@3"] == 1.0
    assert quality.ties == {}

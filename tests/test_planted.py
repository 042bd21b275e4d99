"""Known answers, end to end: planted logs, the learned methods, the metrics and the tie rule."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.data.best_possible import BestPossible
from harness.data.catalog import DATASETS, load_log
from harness.data.split_spec import parse_split
from harness.data.splits import split_log
from harness.metrics.evaluate import evaluate
from harness.metrics.metric import parse_metric
from harness.registry import load_method

SPLIT = {"kind": "random_per_user", "cold_items": "drop", "seed": 7}
NDCG = parse_metric("ndcg@10")


def parts_of(name, **params):
    return split_log(load_log(name, params), parse_split(SPLIT), name)


def trained(name, parts, **params):
    cls = load_method(name)
    method = cls(dataclasses.replace(cls.BuildParams(), **params), seed=1)
    method.fit(parts.train, parts.validation)
    method.build()
    return method


def ndcg(method, parts):
    answers = method.search(parts.test.queries, 10)
    return evaluate([NDCG], answers.ids, parts.test.relevant, parts.train.n_items)[str(NDCG)].mean()


def best(parts):
    method = BestPossible(parts.truth)
    method.fit(parts.full_train)
    return ndcg(method, parts)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute on two free cores, many on a busy machine
def test_crosses_are_what_an_interaction_is_for():
    """On planted crosses SparCode, served, doubles the two-tower's NDCG@10 of the same dimension.

    A smaller log than the suite's, with the same crosses: four pairs of fields of 16 values.
    """
    parts = parts_of("planted_crosses", n_users=2000, n_items=1200)
    two_tower = ndcg(trained("two_tower", parts, dim=16), parts)
    sparcode = trained("sparcode", parts, dim=16, n_heads=1, epochs=10)
    assert ndcg(sparcode, parts) >= 2 * two_tower
    assert ndcg(sparcode, parts) <= best(parts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_tower", "sparcode"])
def test_both_learn_what_a_dot_product_can_say(name):
    """On planted clusters both come within a tenth of the optimum."""
    parts = parts_of("planted_clusters")
    changes = {"n_codewords": 64} if name == "sparcode" else {}  # a log of 1,000 users
    assert ndcg(trained(name, parts, dim=16, **changes), parts) > 0.9 * best(parts)


# planted_vectors has three events a user: vectors to search, no log to learn from.
LOGS = [one for one, entry in DATASETS.items() if entry.is_synthetic and one != "planted_vectors"]


@pytest.mark.parametrize("name", LOGS)
def test_what_is_served_is_the_top_of_the_dense_quantised_scores(name):
    """On every synthetic log: little is lost between the trained score and the packed lists."""
    parts = parts_of(name, n_users=200)
    method = trained(
        "sparcode", parts, dim=8, hidden=8, n_codewords=8, epochs=3, warm_up=1, anneal=1
    )
    queries = parts.test.queries
    served = method.search(queries, 50)
    method.search_params = dataclasses.replace(method.search_params, scoring="quantised")
    dense = method.search(queries, 50)
    both = (served.ids >= 0) & (dense.ids >= 0)
    room = 0.01 * float(dense.scores[both].max())  # scores are packed; ties may fall otherwise
    np.testing.assert_allclose(served.scores[both], dense.scores[both], atol=room)


def test_two_threads_learn_the_same_twice():
    """On a log large enough that torch splits its sums over threads, to the last bit."""
    parts = parts_of("planted_log", n_users=400, n_items=500)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = (
            trained("sparcode", parts, epochs=3, warm_up=1, anneal=1).search(parts.test.queries, 50)
            for _ in range(2)
        )
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(first.scores, second.scores)

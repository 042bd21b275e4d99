"""MoL: its three algorithms on one trained model, work, bytes, blocks, devices."""

import dataclasses

import numpy as np
import pytest

from harness.errors import MethodError
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID, select_top_k
from methods.learned_similarity import retriever
from methods.learned_similarity.params import MoLParams, MoLSearch
from methods.learned_similarity.retriever import MoL

SMALL = MoLParams(
    dim=8,
    hidden=16,
    component_dim=8,
    query_components=3,
    item_components=2,
    epochs=2,
    batch_size=64,
    learning_rate=0.01,
)
ITEMS = np.arange(30)
N_PAIRS = 48 * 30


def fitted(algorithm, device="cpu", **given):
    params = dataclasses.replace(SMALL, algorithm=algorithm, **given)
    method = MoL(params, seed=1, device=device)
    method.fit(tiny_log())
    method.build()
    return method


@pytest.fixture(scope="module")
def queries():
    return tiny_held_out(tiny_log()).queries


@pytest.fixture(scope="module")
def exhaustive():
    return fitted("exhaustive")


def same(first, second):
    np.testing.assert_array_equal(first.ids, second.ids)
    filled = first.ids != PAD_ID
    np.testing.assert_allclose(first.scores[filled], second.scores[filled], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize(
    ("algorithm", "index"), [("two_pass", "flat"), ("candidates", "flat"), ("candidates", "hnsw")]
)
def test_every_algorithm_finds_what_exhaustive_search_does(
    algorithm, index, device, exhaustive, queries
):
    """Two passes always; candidates where a component may bring all 30 items."""
    if index != "flat" and device != "cpu":
        return
    method = fitted(algorithm, device, index=index)
    assert method.exact == (algorithm == "two_pass")
    method.search_params = MoLSearch(per_component=30, averaged=0, ef_search=64)
    for k in (1, 5, 30):
        same(method.search(queries, k), exhaustive.search(queries, k))
    none = queries.take(np.zeros(0, np.int64))
    assert method.search(none, 3).ids.shape == (0, 3)


def test_few_candidates_are_scored_right_and_others_are_lost(exhaustive, queries):
    """Each answer has its exhaustive score; search parameters do not rebuild."""
    method = fitted("candidates")
    scores = exhaustive.score(queries, ITEMS)
    best, shared = select_top_k(scores, 10, queries.hidden), []
    for n in (1, 4):
        method.search_params = MoLSearch(per_component=n, averaged=n)
        found = method.search(queries, 10)
        rows, columns = np.nonzero(found.ids != PAD_ID)
        own = scores[rows, found.ids[rows, columns]]
        np.testing.assert_allclose(found.scores[rows, columns], own, rtol=1e-4, atol=1e-5)
        shared.append((found.ids[:, :, None] == best.ids[:, None, :]).any(axis=1).mean())
    assert shared[0] < shared[1]


def test_work_by_hand(queries):
    """6 products a pair; a gate for every item, for those in question, for the candidates."""
    counted = {}
    for algorithm in ("exhaustive", "two_pass", "candidates"):
        method = fitted(algorithm)
        method.search_params = MoLSearch(per_component=1, averaged=2)
        method.search(queries, 5)
        counted[algorithm] = method.counters()
    assert counted["exhaustive"] == {"distances": 6 * N_PAIRS, "candidates": N_PAIRS}
    assert counted["two_pass"]["distances"] == 6 * N_PAIRS
    assert 48 * 5 <= counted["two_pass"]["candidates"] <= N_PAIRS - 48 * 8  # 8 are hidden
    scored = counted["candidates"]["candidates"]
    assert 48 * 2 <= scored <= 48 * 8
    assert counted["candidates"]["distances"] == 7 * N_PAIRS + 6 * scored


def test_an_index_holds_the_components_again(exhaustive):
    """2 components and a mean of 8 numbers for 30 items, float32."""
    more = fitted("candidates").footprint().index_bytes - exhaustive.footprint().index_bytes
    assert more == 4 * 3 * 8 * 30


def test_blocks_of_queries_change_nothing(queries, monkeypatch):
    """One query at a time, or a few, with a last block that is not full; pairs likewise."""
    for algorithm in ("two_pass", "candidates"):
        method = fitted(algorithm)
        whole = method.search(queries, 5)
        for scores, pairs in ((1, 7), (30 * 6 * 7, 100)):
            monkeypatch.setattr(retriever, "HOST_NUMBERS", scores)
            monkeypatch.setattr(retriever, "PAIRS", pairs)
            same(method.search(queries, 5), whole)


def test_an_approximate_index_is_for_the_host():
    """Refused before anything is trained; of an algorithm without index it is not read."""
    params = dataclasses.replace(SMALL, algorithm="candidates", index="ivf")
    with pytest.raises(MethodError, match="index = 'ivf' runs on the CPU, not on cuda"):
        MoL(params, device="cuda")


@pytest.mark.parametrize("name", ["component_dim", "query_components", "temperature"])
def test_senseless_values_are_refused(name):
    """Zero of anything, with the name and the value in the message."""
    with pytest.raises(ValueError, match=f"{name} = 0 must be above 0"):
        dataclasses.replace(SMALL, **{name: 0})

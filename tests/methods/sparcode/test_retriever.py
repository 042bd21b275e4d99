"""SparCode served from its lists equals its own dense scores, on random and on trained models."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fields import Categorical, Fields
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID
from methods.batches import Batch
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams, SparCodeSearch

SMALL = SparCodeParams(
    dim=8,
    hidden=16,
    n_heads=2,
    n_codewords=8,
    density=0.5,
    warm_up=2,
    anneal=2,
    epochs=8,
    batch_size=64,
    learning_rate=0.02,
)


def random_model(train, params, seed):
    """Return a built retriever with random weights, codebooks and biases."""
    method = SparCode(params, seed=seed)
    torch.manual_seed(seed)
    method._log, method._epochs, method._trainings = train, 0, {}
    method._model = SparCodeModel(train, params.model, "cpu").eval()
    model = method._model
    model.quantizer.codebooks.normal_(std=0.1)
    model.quantised.fill_(True)
    model.slope.fill_(0.0)
    with torch.no_grad():
        model.bias.normal_()
    method.build()
    return method


@cache
def trained():
    method = SparCode(SMALL, seed=3)
    method.fit(tiny_log(), tiny_held_out(tiny_log()))
    method.build()
    return method


def both(method, queries, k):
    """Return the answers of the index and of the dense scores."""
    answers = []
    for scoring in ("served", "quantised"):
        method.search_params = SparCodeSearch(scoring)
        answers.append(method.search(queries, k))
    method.search_params = SparCodeSearch()
    return answers


def assert_same(method, queries, k):
    served, dense = both(method, queries, k)
    np.testing.assert_array_equal(served.ids, dense.ids)
    np.testing.assert_array_equal(served.scores, dense.scores)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_a_trained_model_serves_its_dense_scores(k):
    """Bit for bit, for every user; also where k is the whole catalogue."""
    assert_same(trained(), tiny_held_out(tiny_log()).queries, k)


def test_the_score_is_the_one_that_was_trained():
    """What the index is built from equals the training model's own forward pass, in torch."""
    method, queries = trained(), tiny_held_out(tiny_log()).queries
    with torch.no_grad():
        forward = method._model.all_scores(Batch(np.zeros(0, np.int64), queries.history,
                                                 queries.fields)).numpy()  # fmt: skip
    scores = method.score(queries, np.arange(30))
    np.testing.assert_allclose(np.where(scores > 0, scores, 0), forward, rtol=1e-4, atol=1e-4)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_items=st.sampled_from([1, 2, 17]),
    n_codewords=st.sampled_from([1, 2, 5]),
    n_parts=st.sampled_from([1, 2]),
    n_heads=st.integers(1, 3),
)
def test_a_random_model_serves_its_dense_scores(seed, n_items, n_codewords, n_parts, n_heads):
    """One item, one code, one part, empty lists, histories never seen in training."""
    random = np.random.default_rng(seed)
    train = Interactions(Lists.of([random.integers(n_items, size=3).tolist()] * 4), n_items)
    params = dataclasses.replace(SMALL, n_codewords=n_codewords, n_parts=n_parts, n_heads=n_heads)
    histories = [random.integers(n_items, size=size).tolist() for size in (0, 1, 5)]
    hidden = Lists.of([[], [0], sorted(set(histories[2]))])
    queries = Queries(np.array([0, -1, 1]), Lists.of(histories), hidden)
    method = random_model(train, params, seed)
    assert_same(method, queries, n_items)


def test_a_code_unseen_in_training_gets_its_list_on_demand():
    """It is counted each time, nothing is kept, and the answer is that of the dense scores."""
    train = Interactions(Lists.of([[0, 1], [0, 1]]), 17)
    method = random_model(train, dataclasses.replace(SMALL, n_codewords=64), 0)
    seen = Queries(np.array([0]), Lists.of([[0, 1]]), Lists.empty(1))
    unseen = Queries(np.array([-1]), Lists.of([[7, 9, 11]]), Lists.empty(1))
    method.search(seen, 3)
    assert method.counters()["lists_on_demand"] == 0
    counted = []
    for _ in range(2):
        method.search(unseen, 3)
        counted.append(method.counters()["lists_on_demand"])
    assert counted[0] > 0
    assert counted[1] == 2 * counted[0]
    assert method.footprint().details["codes_in_use"] == 2
    assert_same(method, unseen, 17)


def test_a_loaded_index_serves_every_bit(tmp_path):
    """Codes first seen in a query and the fallback too, in each scoring; scores as well."""
    train = Interactions(Lists.of([[0, 1], [0, 1]]), 17)
    method = random_model(train, dataclasses.replace(SMALL, n_codewords=64), 0)
    method.save(tmp_path)
    loaded = SparCode(method.build_params)
    loaded.load(tmp_path)
    histories = Lists.of([[0, 1], [7, 9, 11], [], [16]])
    queries = Queries(np.full(4, -1), histories, Lists.empty(4))
    for scoring in ("served", "quantised", "unquantised"):
        for fallback in ("none", "popularity"):
            for one in (method, loaded):
                one.search_params = SparCodeSearch(scoring, fallback)
            before, after = (one.search(queries, 17) for one in (method, loaded))
            np.testing.assert_array_equal(before.ids, after.ids)
            np.testing.assert_array_equal(before.scores, after.scores)
            scores = [one.score(queries, np.arange(17)) for one in (method, loaded)]
            np.testing.assert_array_equal(*scores)
    assert loaded.counters()["lists_on_demand"] > 0


def test_lists_exist_only_for_codes_that_occur():
    """The codes of the training queries, each once; the details count them."""
    method = trained()
    queries = tiny_held_out(tiny_log()).queries
    encoded = method.encode(queries)
    assert sorted(set(encoded.lists.ravel().tolist())) == list(
        range(int(method.footprint().details["codes_in_use"]))
    )
    assert encoded.postings is method._postings


def test_three_scorings_are_three_operating_points():
    """Unquantised differs from quantised; changing the setting rebuilds nothing."""
    method, queries = trained(), tiny_held_out(tiny_log()).queries
    scores = {}
    for scoring in ("served", "quantised", "unquantised"):
        method.search_params = SparCodeSearch(scoring)
        scores[scoring] = method.score(queries, np.arange(30))
    method.search_params = SparCodeSearch()
    np.testing.assert_array_equal(scores["served"], scores["quantised"])
    assert (scores["unquantised"] != scores["quantised"]).any()


def test_scores_of_some_items_are_those_of_all():
    """A selection of items, in any order, has the columns of the whole."""
    method, queries = trained(), tiny_held_out(tiny_log()).queries
    some = np.array([7, 0, 29])
    np.testing.assert_array_equal(
        method.score(queries, some), method.score(queries, np.arange(30))[:, some]
    )


def test_a_query_alone_gets_the_list_it_gets_in_company():
    """Codes do not depend on the size of the batch in which they are computed."""
    method, queries = trained(), tiny_held_out(tiny_log()).queries
    together = method.search(queries, 5)
    for row in range(len(queries)):
        alone = method.search(queries.take(np.array([row])), 5)
        np.testing.assert_array_equal(alone.ids[0], together.ids[row])
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])


def test_hidden_items_never_come_back():
    """Whatever the scoring; with everything hidden only pads are left."""
    method, queries = trained(), tiny_held_out(tiny_log()).queries
    everything = Lists.of([list(range(30))] * len(queries))
    for hidden in (queries.hidden, everything):
        asked = Queries(queries.user_ids, queries.history, hidden, queries.fields)
        for scoring in ("served", "quantised", "unquantised"):
            method.search_params = SparCodeSearch(scoring)
            found = method.search(asked, 30)
            for row, ids in enumerate(found.ids):
                assert not set(ids.tolist()) & set(hidden.row(row).tolist())
    method.search_params = SparCodeSearch()
    assert (method.search(asked, 5).ids == PAD_ID).all()


def test_the_same_seed_gives_the_same_index():
    """Trained twice, bit for bit; another seed gives another."""
    indexes = []
    for seed in (3, 4):
        method = SparCode(SMALL, seed=seed)
        method.fit(tiny_log(), tiny_held_out(tiny_log()))
        method.build()
        indexes.append(method._postings)
    for one, other in zip(indexes[0], trained()._postings, strict=True):
        np.testing.assert_array_equal(one, other)
    assert indexes[0].nbytes != indexes[1].nbytes or (indexes[0].scores != indexes[1].scores).any()


def test_footprint_by_hand():
    """Postings, lengths and density agree with the lists; perplexity is at most the codes."""
    method = trained()
    postings, details = method._postings, method.footprint().details
    assert details["postings"] == postings.items.size
    assert details["longest_list"] == postings.lengths.max()
    assert details["density"] == pytest.approx(postings.lengths.mean() / 30)
    assert 1 <= details["code_perplexity"] <= details["codes_in_use"]
    assert method.footprint().index_bytes > postings.nbytes


def test_context_of_events_is_part_of_the_query():
    """Where events have fields, each training event is a query, and its codes have lists."""
    context = Fields(6, {"hour": Categorical(np.array([0, 1, 2, 0, 1, 2]), 3)})
    train = Interactions(Lists.of([[0, 1, 2], [3, 4, 5]]), 6, event_fields=context)
    method = random_model(train, SMALL, 1)
    per_hour = Queries(
        np.array([0, 0, 0]),
        Lists.of([[0, 1, 2]] * 3),
        Lists.empty(3),
        Fields(3, {"hour": Categorical(np.array([0, 1, 2]), 3)}),
    )
    method.search(per_hour, 2)
    assert method.counters()["lists_on_demand"] == 0


def test_no_queries():
    """An empty batch has an empty answer in every scoring."""
    none = tiny_held_out(tiny_log()).queries.take(np.zeros(0, np.int64))
    for found in both(trained(), none, 3):
        assert found.ids.shape == (0, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 9}, "dim = 9 must be a multiple of n_parts = 2"),
        ({"density": 1.5}, "density = 1.5 must be at most 1"),
        ({"decay": 1.0}, r"decay = 1.0 below 1"),
        ({"n_codewords": 0}, "n_codewords = 0 must be above 0"),
        ({"n_codewords": 2000}, r"n_codewords\^n_parts = 4000000 exceeds"),
        ({"warm_up": 8}, "warm_up = 8"),
    ],
)
def test_senseless_values_are_refused(changes, message):
    """With the name, the value and what was expected."""
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)

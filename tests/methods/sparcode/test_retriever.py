"""SparCode served from its lists against the exhaustive score of the same model."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MethodError
from harness.fields import Categorical, Fields
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID
from methods.batches import Batch
from methods.sparcode.index.lists_file import FILE, write_lists
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams, SparCodeSearch
from methods.sparcode.serving import compiled_encoder, packed_merge

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
    model.encoder.quantizer.codebooks.data.normal_(std=0.1)
    model.quantised.fill_(True)
    model.slope.fill_(0.0)
    with torch.no_grad():
        model.bias.normal_()
    method.build()
    return method


@cache
def trained(bias="learned", density=0.5):
    params = dataclasses.replace(SMALL, bias=bias, density=density)
    method = SparCode(params, seed=3)
    method.fit(tiny_log(), tiny_held_out(tiny_log()))
    method.build()
    return method


def assert_served_is_dense(method, queries, lists_a_query):
    """Scores of the index equal the dense ones within half a unit of impact for each list."""
    n_items = method._served.n_items
    method.search_params = SparCodeSearch()
    found = method.search(queries, n_items)
    dense = method.score(queries, np.arange(n_items))
    bound = (lists_a_query + 1) * method._lists.packed.scale
    for row, (ids, scores) in enumerate(zip(found.ids, found.scores, strict=True)):
        kept = ids != PAD_ID
        np.testing.assert_allclose(scores[kept], dense[row, ids[kept]], atol=bound, rtol=1e-4)
        left = np.setdiff1d(np.arange(n_items), ids[kept])
        left = np.setdiff1d(left, queries.hidden.row(row))
        assert (dense[row, left] <= bound).all()


def test_a_trained_model_serves_its_dense_scores():
    """For every user, over the whole catalogue."""
    assert_served_is_dense(trained(), tiny_held_out(tiny_log()).queries, 10)


def test_a_quantile_bias_stores_its_share_and_serves_its_dense_scores():
    """Every list holds 6 of 30 items, and what lists add up to is the exhaustive score."""
    method = trained("quantile", 0.2)
    assert set(method._lists.packed.lengths.tolist()) == {6}
    assert method.footprint().details["density"] == pytest.approx(0.2)
    assert_served_is_dense(method, tiny_held_out(tiny_log()).queries, 10)


@pytest.mark.parametrize(("bias", "density"), [("learned", 0.5), ("quantile", 0.2)])
def test_the_score_is_the_one_that_was_trained(bias, density):
    """What serves equals the training model's own forward pass."""
    method, queries = trained(bias, density), tiny_held_out(tiny_log()).queries
    with torch.no_grad():
        batch = Batch(np.zeros(0, np.int64), queries.history, queries.fields)
        forward = method._model.all_scores(batch).numpy()
    scores = method.score(queries, np.arange(30))
    np.testing.assert_allclose(np.where(scores > 0, scores, 0), forward, rtol=1e-3, atol=1e-4)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_items=st.sampled_from([1, 2, 17]),
    n_codewords=st.sampled_from([4, 5]),
    n_parts=st.sampled_from([1, 2]),
    n_heads=st.integers(1, 3),
)
def test_a_random_model_serves_its_dense_scores(seed, n_items, n_codewords, n_parts, n_heads):
    """One item, parts, empty lists: for queries whose codes training has seen."""
    random = np.random.default_rng(seed)
    histories = [random.integers(n_items, size=3).tolist() for _ in range(4)]
    train = Interactions(Lists.of(histories), n_items)
    params = dataclasses.replace(SMALL, n_codewords=n_codewords, n_parts=n_parts, n_heads=n_heads)
    hidden = Lists.of([[], [0], [], []])
    queries = Queries(np.arange(4), train.events, hidden)
    method = random_model(train, params, seed)
    assert_served_is_dense(method, queries, 4 * n_heads)
    assert method.counters()["codes_without_list"] == 0


@pytest.mark.parametrize(
    ("name", "value"), [("n_nearest", 2), ("density", 0.9), ("tokenizer", "residual")]
)
def test_other_settings_than_those_saved_are_refused(tmp_path, name, value):
    """By name, with both values; what only training reads may differ."""
    method = random_model(tiny_log(), SMALL, 0)
    method.save(tmp_path)
    other = SparCode(dataclasses.replace(SMALL, **{name: value}))
    with pytest.raises(MethodError, match=f"was saved with {name} = .*, and is loaded with {name}"):
        other.load(tmp_path)
    SparCode(dataclasses.replace(SMALL, learning_rate=0.5)).load(tmp_path)


def test_pairs_of_fields_that_are_too_large_are_counted():
    """300 x 300 values have no token; the record's details say so."""
    columns = {name: Categorical(np.arange(2), 300) for name in "ab"}
    columns["c"] = Categorical(np.arange(2), 3)
    train = Interactions(Lists.of([[0, 1], [1, 2]]), 5, user_fields=Fields(2, columns))
    method = random_model(train, dataclasses.replace(SMALL, field_tokens="pairs"), 0)
    details = method.footprint().details
    assert details["pairs_left_out"] == 1
    assert details["tokens"] == SMALL.n_heads + 3 + 2


def test_loading_fits_no_costs(tmp_path, monkeypatch):
    """They were fitted when the lists were built; another processor, or no costs, fits anew."""
    method = random_model(tiny_log(), SMALL, 0)
    method.save(tmp_path)
    fits = []
    fit = packed_merge.fit_cost_model
    monkeypatch.setattr(
        packed_merge, "fit_cost_model", lambda *given: fits.append(1) or fit(*given)
    )
    loaded = SparCode(SMALL)
    loaded.load(tmp_path)
    assert fits == []
    for ours, theirs in zip(loaded._lists.merger.costs, method._lists.merger.costs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    for name in ("encode_compile_s", "merge_compile_s"):
        assert loaded.footprint().details[name] >= 0
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "another")
    SparCode(SMALL).load(tmp_path)
    assert fits == [1]
    write_lists(tmp_path / FILE, method._lists.packed)
    SparCode(SMALL).load(tmp_path)
    assert fits == [1, 1]


def test_threads_change_no_answer(monkeypatch):
    """Of 300 queries at once on two threads, and of one at a time: encoded and merged the same."""
    method = random_model(tiny_log(), SMALL, 0)
    few = tiny_held_out(tiny_log()).queries
    queries = few.take(np.arange(300) % len(few))
    found, workers = [], []
    for threads in (1, 2):
        for module in (packed_merge, compiled_encoder):
            monkeypatch.setattr(module.numba, "get_num_threads", lambda threads=threads: threads)
        found.append((method.search(queries, 9), method.encode(queries)))
        workers.append(len(method._lists.merger._workers))
    assert workers == [1, 2]
    (first, coded), (second, other) = found
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(coded.lists, other.lists)
    np.testing.assert_array_equal(coded.weights, other.weights)
    wrong = queries.history.ids.copy()
    wrong[queries.history.indptr[200]] = 30  # in the second block
    asked = Queries(
        queries.user_ids, Lists(queries.history.indptr, wrong), queries.hidden, queries.fields
    )
    with pytest.raises(ValueError, match="200"):
        method.encode(asked)


def test_a_code_unseen_in_training_is_counted():
    """It has no list and adds nothing."""
    train = Interactions(Lists.of([[0, 1], [0, 1]]), 17)
    method = random_model(train, dataclasses.replace(SMALL, n_codewords=64), 0)
    method.search(Queries(np.array([-1]), Lists.of([[7, 9, 11]]), Lists.empty(1)), 3)
    assert method.counters()["codes_without_list"] > 0


@pytest.mark.parametrize("rescore", ["dot", "full"])
def test_candidates_are_put_in_the_order_of_the_other_score(rescore):
    """With all items as candidates, those found have their exhaustive scores, in order."""
    params = dataclasses.replace(SMALL, interaction="dot")
    method = random_model(tiny_log(), params, 1)
    method.search_params = SparCodeSearch(rescore=rescore, candidates=30)
    queries = tiny_held_out(tiny_log()).queries
    found, scores = method.search(queries, 5), method.score(queries, np.arange(30))
    for row, ids in enumerate(found.ids):
        kept = ids != PAD_ID
        np.testing.assert_allclose(found.scores[row][kept], scores[row, ids[kept]], rtol=1e-3,
                                   atol=1e-5)  # fmt: skip


def test_cuts_shorten_lists():
    """At most the postings asked for, per list and over all."""
    cut = random_model(tiny_log(), dataclasses.replace(SMALL, top_per_code=3, budget=20), 1)
    assert cut._lists.packed.lengths.max() <= 3
    assert cut._lists.packed.lengths.sum() <= 20


def test_a_fit_serves_any_cut(tmp_path):
    """One training, taken over under other rules: what a training of its own under them serves."""
    rules = {"top_per_code": 9, "budget": 60, "max_per_item": 5, "neighbours": 2}
    params = dataclasses.replace(SMALL, **rules, n_parts=2, n_codewords=4)
    plain = dataclasses.replace(SMALL, n_parts=2, n_codewords=4)
    first, own = (SparCode(one, seed=3) for one in (plain, params))
    for method in (first, own):
        method.fit(tiny_log(), tiny_held_out(tiny_log()))
    own.build()
    first.save_fit(tmp_path)
    other = SparCode(params, seed=3)
    other.load_fit(tmp_path, tiny_log())
    other.build()
    assert set(rules) < first.index_params == SparCode.index_params
    for one, two in zip(other._lists.packed, own._lists.packed, strict=True):
        np.testing.assert_array_equal(one, two)
    assert 0 < other._lists.packed.entries.size <= 60
    assert other.footprint().history == own.footprint().history


def test_with_a_finish_lists_are_cut_in_training():
    """Then models of two lengths of lists differ, and no rule of cutting is an index parameter."""
    rules = {"finish": 2, "warm_up": 1, "anneal": 1}
    methods = [
        SparCode(dataclasses.replace(SMALL, top_per_code=most, **rules), seed=3) for most in (2, 9)
    ]
    for method in methods:
        method.fit(tiny_log(), tiny_held_out(tiny_log()))
        assert method.index_params == {"bounds", "memory_budget_mb"}
    books = [one._model.encoder.quantizer.codebooks for one in methods]
    assert not torch.equal(*books)


def test_hidden_items_never_come_back():
    """Whatever the scoring; with everything hidden only pads are left."""
    method, queries = trained(), tiny_held_out(tiny_log()).queries
    everything = Lists.of([list(range(30))] * len(queries))
    for scoring in ("served", "quantised", "unquantised"):
        method.search_params = SparCodeSearch(scoring)
        asked = Queries(queries.user_ids, queries.history, everything, queries.fields)
        assert (method.search(asked, 30).ids == PAD_ID).all()
    method.search_params = SparCodeSearch()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 9, "n_parts": 2}, "dim = 9 must be a multiple of n_parts = 2"),
        ({"density": 1.5}, "density = 1.5 must be at most 1"),
        ({"decay": 1.0}, r"decay = 1.0 below 1"),
        ({"n_codewords": 0}, "n_codewords = 0 must be above 0"),
        ({"n_codewords": 2000, "n_parts": 2}, r"n_codewords\^n_parts = 4000000 exceeds"),
        ({"warm_up": 8}, "warm_up = 8"),
        ({"n_nearest": 9}, "n_nearest = 9 exceeds the 8 codes"),
        ({"n_nearest": 1}, "gradient = 'weights' needs n_nearest above 1"),
        (
            {"n_nearest": 1, "gradient": "rotation"},
            "codebooks = 'gradient' needs n_nearest above 1",
        ),
        ({"finish": 1}, "finish = 1 needs top_per_code, max_per_item or budget"),
        (
            {"finish": 1, "budget": 9, "neighbours": 2},
            "finish = 1 needs neighbours = 0",
        ),
        ({"tokenizer": "residual", "shared_codebooks": True}, "needs shared_codebooks = false"),
    ],
)
def test_senseless_values_are_refused(changes, message):
    """With the name, the value and what was expected."""
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)

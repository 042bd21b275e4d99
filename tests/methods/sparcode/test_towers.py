"""Towers that are trained beside the codes: apart from them, and what they are said to score."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID
from methods.batches import Batch
from methods.negatives import NegativeSampler
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams, SparCodeSearch
from methods.training.scored import dense

PARAMS = SparCodeParams(
    dim=8, hidden=16, n_codewords=8, warm_up=1, anneal=1, epochs=5, batch_size=32,
    learning_rate=0.02, towers=True, dropout=0.0,
)  # fmt: skip
ENCODERS = ("mean", "sasrec")
SEARCH = SparCodeSearch(rescore="towers", candidates=30)


def trained(encoder="mean", **changes):
    train = tiny_log(ordered=True)
    method = SparCode(dataclasses.replace(PARAMS, encoder=encoder, **changes), seed=2)
    method.fit(train, tiny_held_out(train))
    method.build()
    method.search_params = SEARCH
    return method, tiny_held_out(train).queries


@pytest.mark.parametrize("phase", [0, 2])
def test_they_are_trained_by_their_own_loss_and_codes_by_theirs(phase):
    """Gradients of the codes are the same with towers and without; those of towers need no code."""
    train, found = tiny_log(), {}
    for towers in (False, True):
        torch.manual_seed(0)
        params = dataclasses.replace(PARAMS, towers=towers)
        model = SparCodeModel(train, params.model, "cpu")
        random = np.random.default_rng(0)
        batches = list(model.draw_batches(train, params, random))
        negatives = NegativeSampler(train, 8, random).draw(batches[0].targets)
        model.load_state_dict(found.get("state", model.state_dict()), strict=False)
        found.setdefault("state", model.state_dict())
        torch.manual_seed(1)  # of k-means
        for epoch in range(phase + 1):
            model.begin_epoch(epoch, batches if epoch else [])
        model.eval()  # nothing is dropped by lot
        positive, negative, extra = model.batch_scores(batches[0], negatives)
        (dense(negative).logsumexp(1).sum() - positive.sum() + extra).backward()
        found[towers] = {name: one.grad for name, one in model.named_parameters()}
        if towers:
            own, others = model.towers.batch_scores(batches[0], negatives)
            scores = (
                model.towers.query_vectors(batches[0])
                @ model.towers.item_vectors(torch.arange(train.n_items)).T
            )
            rows = np.arange(len(own))
            torch.testing.assert_close(own, scores[rows, batches[0].targets])
            torch.testing.assert_close(dense(others), scores[:, negatives.items])
    for name, gradient in found[False].items():
        torch.testing.assert_close(found[True][name], gradient)
    beside = {name: one for name, one in found[True].items() if name.startswith("towers.")}
    assert set(found[True]) - set(found[False]) == set(beside)
    assert all(one is not None and one.abs().sum() > 0 for one in beside.values())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_candidates_get_the_towers_product(encoder):
    """In `score` and of every candidate: what the trained towers say, in float64."""
    method, queries = trained(encoder)
    towers = method._model.towers.double().eval()
    history = queries.history.tail(PARAMS.max_history)
    batch = Batch(np.zeros(0, np.int64), history, queries.fields)
    with torch.no_grad():
        items = towers.item_vectors(torch.arange(30))
        expected = (towers.query_vectors(batch) @ items.T).numpy()
    scores = method.score(queries, np.arange(30))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    found = method.search(queries, 5)
    kept = found.ids != PAD_ID
    assert kept.any()
    again = np.take_along_axis(expected, np.where(kept, found.ids, 0), axis=1)
    np.testing.assert_allclose(found.scores[kept], again[kept], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_best_candidates_are_found_and_saved(encoder, tmp_path):
    """Of all candidates the best by the towers; a copy from disk answers with the same bits."""
    method, queries = trained(encoder)
    method.search_params = SparCodeSearch()
    candidates = method.search(queries, 30).ids
    method.search_params = SEARCH
    scores = method.score(queries, np.arange(30))
    found = method.search(queries, 5)
    for row, ids in enumerate(candidates):
        own = ids[ids != PAD_ID]
        best = own[np.lexsort((own, -scores[row, own]))][:5]
        np.testing.assert_array_equal(np.sort(found.ids[row][: len(best)]), np.sort(best))
    method.save(tmp_path)
    copy = SparCode(method.build_params, seed=2)
    copy.load(tmp_path)
    copy.search_params = SEARCH
    again = copy.search(queries, 5)
    np.testing.assert_array_equal(again.ids, found.ids)
    np.testing.assert_array_equal(again.scores, found.scores)
    assert copy.footprint().index_bytes == method.footprint().index_bytes


@pytest.mark.parametrize("rescore", ["towers", "dot", "full"])
def test_the_lists_own_score_may_be_added(rescore):
    """In `score` by the codes' exhaustive score, of candidates by that of the lists, packed."""
    method, queries = trained(interaction="dot")
    parts = {}
    for name, search in {
        "again": SparCodeSearch(rescore=rescore, candidates=30),
        "codes": SparCodeSearch(scoring="quantised"),
        "both": SparCodeSearch(rescore=rescore, candidates=30, lists_weight=0.5),
    }.items():
        method.search_params = search
        parts[name] = method.score(queries, np.arange(30))
    codes = np.where(np.isfinite(parts["codes"]), parts["codes"], 0.0)
    np.testing.assert_allclose(parts["both"], parts["again"] + 0.5 * codes, rtol=1e-5, atol=1e-5)
    found = method.search(queries, 5)
    rows, kept = np.arange(len(queries))[:, None], found.ids != PAD_ID
    expected = parts["both"][rows, np.where(kept, found.ids, 0)]
    packed = 20 * method._lists.packed.scale
    np.testing.assert_allclose(found.scores[kept], expected[kept], rtol=1e-3, atol=packed)
    assert not np.allclose(parts["both"], parts["again"])


def test_a_weight_of_nothing_is_refused():
    """Without a score to add to, below 0, infinite."""
    for given in ({"lists_weight": 0.5}, {"rescore": "dot", "lists_weight": -1.0}):
        with pytest.raises(ValueError, match="lists_weight"):
            SparCodeSearch(**given)


def test_they_count_only_where_they_score():
    """The bytes that a setting may touch hold the towers where candidates are scored by them."""
    method, _ = trained()
    with_towers = method.footprint().index_bytes
    method.search_params = SparCodeSearch(rescore="dot")
    assert with_towers - method.footprint().index_bytes == method._served.towers.nbytes


def test_without_towers_they_are_refused():
    """Before any list is read, with the parameter that trains them."""
    method, queries = trained(towers=False)
    with pytest.raises(MethodError, match="needs the build parameter towers = true"):
        method.search(queries, 5)

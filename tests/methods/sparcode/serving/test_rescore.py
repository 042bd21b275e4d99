"""Candidates scored again get the score that they are said to get, whatever the interaction."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MethodError
from harness.fields import Dense, Fields
from harness.interactions import Queries
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID, PAD_SCORE
from methods.interactions.choice import INTERACTIONS
from methods.interactions.mixture_of_logits import MixtureOfLogits
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams, SparCodeSearch
from methods.sparcode.serving.rescore import best_of

PARAMS = SparCodeParams(dim=4, hidden=8, n_heads=2, n_codewords=4)
QUERIES = tiny_held_out(tiny_log()).queries


def random_method(changes, bias=1.0):
    """Return a built retriever all of whose weights are random: no term is small or absent."""
    method = SparCode(dataclasses.replace(PARAMS, **changes))
    torch.manual_seed(0)
    method._log, method._epochs, method._trainings = tiny_log(), 0, {}
    method._model = SparCodeModel(tiny_log(), method.build_params.model, "cpu").eval()
    method._model.quantised.fill_(True)
    method._model.slope.fill_(0.0)
    with torch.no_grad():
        for one in method._model.parameters():
            one.normal_(std=0.5)
        method._model.bias.fill_(bias)
    method.build()
    return method


def dot_by_hand(method):
    """Return the sum over all tokens of <P token, tower(item)>, (n, n_items)."""
    model, interaction = method._model, method._model.interaction
    term = interaction if interaction.is_product else interaction.dot
    inputs = model.encoder.query.inputs(QUERIES.history, QUERIES.fields)
    tokens = model.encoder.tokens(inputs, model.items.history_table())
    given = tokens.given + model.encoder.starts[model.encoder.quantizer.n_books : -1]
    fields = model.encoder.vectors(given.flatten()).view(*given.shape, -1)
    towers = term.item(model.items(torch.arange(30)))
    every = torch.cat((tokens.quantisable, fields), dim=1)
    projected = torch.einsum("de,nke->nkd", term.token.weight, every)
    return torch.einsum("nkd,md->nm", projected, towers).detach().numpy()


@pytest.mark.parametrize("name", INTERACTIONS)
def test_dot_is_the_inner_product_beside_the_interaction(name):
    """<P token, tower(item)> and no term more, in `score` and of every candidate."""
    method = random_method({"interaction": name})
    method.search_params = SparCodeSearch(rescore="dot", candidates=30)
    expected = dot_by_hand(method)
    scores = method.score(QUERIES, np.arange(30))
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
    found = method.search(QUERIES, 5)
    kept = found.ids != PAD_ID
    assert kept.any()
    again = np.take_along_axis(expected, np.where(kept, found.ids, 0), axis=1)
    np.testing.assert_allclose(found.scores[kept], again[kept], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", INTERACTIONS)
def test_full_is_the_unquantised_score(name):
    """Of each candidate what a search of everything gives it."""
    method = random_method({"interaction": name})
    method.search_params = SparCodeSearch("unquantised")
    expected = method.score(QUERIES, np.arange(30))
    method.search_params = SparCodeSearch(rescore="full", candidates=30)
    found = method.search(QUERIES, 5)
    kept = found.ids != PAD_ID
    assert kept.any()
    again = np.take_along_axis(expected, np.where(kept, found.ids, 0), axis=1)
    np.testing.assert_allclose(found.scores[kept], again[kept], rtol=1e-3, atol=1e-4)


def test_without_an_inner_product_dot_is_refused():
    """A plain mixture of logits has none: the error names it, and what to use."""
    method = random_method({"interaction": "mixture_of_logits"})
    width = method._model.items.width
    method._served.dot.interaction = MixtureOfLogits(4, width, 8, plain=True)
    method.search_params = SparCodeSearch(rescore="dot")
    with pytest.raises(MethodError, match="MixtureOfLogits has none: use rescore = 'full'"):
        method.search(QUERIES, 5)


@pytest.mark.parametrize("rescore", ["dot", "full"])
def test_scores_never_rise_where_short_lists_are_filled(rescore):
    """Candidates scored again lie below -1 and above; fillers come behind, down to the last pad."""
    method = random_method({"interaction": "dot", "density": 0.1}, bias=-5.0)
    method.search_params = SparCodeSearch(rescore=rescore, candidates=30, fallback="popularity")
    found = method.search(QUERIES, 15)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert (found.ids != PAD_ID).all()
    method.search_params = SparCodeSearch(rescore=rescore, candidates=30)
    short = method.search(QUERIES, 15)
    assert (short.ids[:, -1] == PAD_ID).any()
    assert (short.scores[short.ids != PAD_ID] < -1).any()
    kept = short.ids != PAD_ID
    assert (found.ids[kept] == short.ids[kept]).all()


def test_a_query_whose_dense_field_is_not_finite_is_named():
    """Row and field, instead of what comes of a code that is none."""
    method, values = random_method({}), QUERIES.fields.columns["vector"].values.copy()
    values[3, 1] = np.nan
    columns = {**QUERIES.fields.columns, "vector": Dense(values)}
    asked = Queries(QUERIES.user_ids, QUERIES.history, QUERIES.hidden, Fields(len(values), columns))
    for scoring in ("served", "unquantised"):
        method.search_params = SparCodeSearch(scoring)
        with pytest.raises(ValueError, match="query 3: field 'vector' is nan at place 1"):
            method.search(asked, 5)


@pytest.mark.parametrize("rescore", ["none", "dot", "full"])
@pytest.mark.parametrize("fallback", ["none", "popularity"])
def test_more_items_than_there_are_end_in_pads(rescore, fallback):
    """Of 30 items 99 are asked for: so many columns, the rest pads."""
    method = random_method({"interaction": "dot"})
    method.search_params = SparCodeSearch(rescore=rescore, fallback=fallback)
    found = method.search(QUERIES, 99)
    assert found.ids.shape == found.scores.shape == (len(QUERIES), 99)
    assert (found.ids[:, 30:] == PAD_ID).all()
    assert (found.scores[:, 30:] == PAD_SCORE).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 15), st.integers(1, 4))
def test_the_best_are_those_of_a_full_sort(seed, n_candidates, k, n_levels):
    """By score, ties to the smaller id, pads last and never between; also more asked than there."""
    random = np.random.default_rng(seed)
    ids = np.stack([random.permutation(20)[:n_candidates] for _ in range(3)]).astype(np.int64)
    ids[random.random(ids.shape) < 0.2] = PAD_ID
    scores = random.integers(n_levels, size=ids.shape).astype(np.float32)
    found = best_of(ids, scores, k)
    for row in range(3):
        pairs = sorted((-s, i) for i, s in zip(ids[row], scores[row], strict=True) if i != PAD_ID)
        kept = found.ids[row][found.ids[row] != PAD_ID]
        assert list(kept) == [i for _, i in pairs[:k]]
        assert list(found.scores[row][: kept.size]) == [-s for s, _ in pairs[:k]]
        assert (found.scores[row][kept.size :] == PAD_SCORE).all()

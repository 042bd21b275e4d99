"""SparCode over other encoders than the mean: every position is trained as it is served."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.interactions import Queries
from harness.lists import Lists
from harness.testing import tiny_log
from methods.batches import Batch
from methods.negatives import NegativeSampler
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams, SparCodeSearch
from methods.training.scored import dense

PARAMS = SparCodeParams(
    dim=8, hidden=16, n_heads=2, n_codewords=8, warm_up=1, anneal=1, epochs=4, batch_size=16,
    max_history=6, dropout=0.0, n_negatives=16,
)  # fmt: skip
ENCODERS = ("attention", "gru4rec", "sasrec")
FORMS = [
    {"encoder": "gru4rec"},
    {"encoder": "sasrec"},
    {"encoder": "sasrec", "tokenizer": "residual", "interaction": "dot"},
]


def model_of(params, phase=2, seed=0):
    """Return a model whose codes are there, with batches of its own kind and their negatives."""
    train, random = tiny_log(ordered=True), np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = SparCodeModel(train, params.model, "cpu")
    batches = list(model.draw_batches(train, params, random))
    for epoch in range(phase + 1):
        model.begin_epoch(epoch, batches if epoch else [])
    return model, batches[0], NegativeSampler(train, 8, random).draw(batches[0].targets)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_gradients_reach_every_part(encoder):
    """By the codes' loss alone everything moves, the whole encoder too."""
    params = dataclasses.replace(PARAMS, encoder=encoder, unquantised_weight=0.0)
    model, batch, negatives = model_of(params)
    positive, negative, extra = model.train().batch_scores(batch, negatives)
    (dense(negative).logsumexp(1).sum() - positive.sum() + extra).backward()
    still = [
        name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()
    ]
    assert still == []
    assert any("history" in name for name, _ in model.encoder.query.named_parameters())


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("phase", [0, 2])
def test_positions_of_a_sequence_are_scored_as_queries_of_their_own(form, phase):
    """Of every position: own target and negatives have the catalogue's scores of the prefix."""
    params = dataclasses.replace(PARAMS, positions="from_start", **form)
    model, batch, negatives = model_of(params, phase)
    model = model.double().eval()
    rows = batch.history.rows[batch.positions]
    starts = batch.history.indptr[rows]
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        negative = dense(negative)
        assert len(positive) == len(batch.positions) > len(batch.history)
        for example in range(0, len(positive), 5):
            own = slice(int(starts[example]), int(batch.positions[example]) + 1)
            alone = Batch(
                batch.targets[[example]],
                batch.history.of([batch.history.ids[own].tolist()]),
                batch.fields.take(np.array([example])),
            )
            scores = model.all_scores(alone)[0]
            torch.testing.assert_close(positive[example], scores[batch.targets[example]])
            torch.testing.assert_close(negative[example], scores[negatives.items])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_served_scores_are_the_models(encoder):
    """Quantised and unquantised scores of a retriever are those of the model, in float64."""
    train = tiny_log(ordered=True)
    method = SparCode(dataclasses.replace(PARAMS, encoder=encoder), seed=1)
    method.fit(train)
    method.build()
    queries = train.query_fields(np.arange(0, train.n_events, 7))
    history = train.events.take(train.user_ids[::7])
    batch = Batch(np.zeros(0, np.int64), history.tail(PARAMS.max_history), queries)
    model = method._model.double().eval()
    with torch.no_grad():
        tokens, items = model.tokens(batch), model.item_sides()
        expected = {
            "unquantised": model.unquantised_scores(tokens, items),
            "quantised": model.quantised_scores(tokens, items),
        }
    asked = method_queries(history, queries)
    for scoring, scores in expected.items():
        method.search_params = SparCodeSearch(scoring=scoring)
        found = method.score(asked, np.arange(train.n_items))
        found = np.where(np.isfinite(found), found, 0.0)
        np.testing.assert_allclose(found, scores.numpy(), rtol=1e-4, atol=1e-4)


def method_queries(history, fields):
    """Return queries of these histories and fields that hide nothing."""
    n = len(history)
    return Queries(np.arange(n), history, Lists.empty(n), fields)


@pytest.mark.parametrize("encoder", ["gru4rec", "sasrec"])
def test_a_log_without_order_is_refused(encoder):
    """Before training, with the name and what would do."""
    method = SparCode(dataclasses.replace(PARAMS, encoder=encoder))
    with pytest.raises(MethodError, match=f"encoder = '{encoder}' reads a history in its order"):
        method.fit(tiny_log())


def test_tokens_of_items_need_no_encoder_of_histories():
    """The attention tokenizer would pass over what the encoder makes."""
    with pytest.raises(ValueError, match="'attention' needs encoder = 'mean', which is 'sasrec'"):
        dataclasses.replace(PARAMS, tokenizer="attention", encoder="sasrec")

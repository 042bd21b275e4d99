"""The model: every part is trained, and what is trained is what is scored."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.testing import tiny_log
from methods.batches import epoch_batches
from methods.negatives import NegativeSampler
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCodeParams
from methods.training.scored import dense

PARAMS = SparCodeParams(
    dim=8, hidden=16, n_heads=2, n_codewords=8, density=0.5, warm_up=1, anneal=1
)


def examples(train, n_batches=3):
    random = np.random.default_rng(0)
    batches = epoch_batches(train, 32, 5, random)
    sampler = NegativeSampler(train, 8, random)
    made = [next(batches) for _ in range(n_batches)]
    return made, sampler.draw(made[0].targets)


def model_in_phase(phase, **changes):
    """Return a model before (0), in (1) or after (2) the annealing, and batches."""
    train = tiny_log()
    torch.manual_seed(0)
    settings = dataclasses.replace(PARAMS, **changes).model
    model = SparCodeModel(train, settings, "cpu")
    batches, negatives = examples(train)
    for epoch in range(phase + 1):
        model.begin_epoch(epoch, batches if epoch else [])
    return model.train(), batches[0], negatives


FORMS = [
    {},
    {"tokenizer": "attention"},
    {"tokenizer": "residual"},
    {"n_nearest": 1, "gradient": "straight_through", "codebooks": "averages"},
    {"gradient": "rotation"},
    {"codebooks": "gradient", "n_parts": 2},
    {"field_tokens": "pairs", "interaction": "dot"},
    {"field_tokens": "beside", "shared_codebooks": True},
    {"field_tokens": "none"},
    {"finish": 10, "top_per_code": 11, "max_per_item": 4, "budget": 90, "epochs": 13, "warm_up": 1},
]


@pytest.mark.parametrize("changes", FORMS, ids=str)
@pytest.mark.parametrize("phase", [0, 2])
def test_batch_scores_are_those_of_the_catalogue(phase, changes):
    """The same pair has the same score in a training step and in a search of everything."""
    model, batch, negatives = model_in_phase(phase, **changes)
    model.eval()
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        negative = dense(negative)
        scores = model.all_scores(batch)
    rows = np.arange(len(batch.targets))
    torch.testing.assert_close(positive, scores[rows, batch.targets], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(negative, scores[:, negatives.items], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", FORMS[:9], ids=str)
def test_gradients_reach_every_part(changes):
    """In the last phase, by the codes' loss alone, every parameter but the temperature moves."""
    model, batch, negatives = model_in_phase(2, unquantised_weight=0.0, **changes)
    positive, negative, extra = model.batch_scores(batch, negatives)
    negative = dense(negative)
    (negative.logsumexp(1).sum() - positive.sum() + extra).backward()
    still = {
        name
        for name, one in model.named_parameters()
        if one.grad is None or float(one.grad.abs().max()) == 0
    }
    hard = model.settings.n_nearest == 1
    assert still - {"encoder.quantizer.log_temperature"} == set()
    assert ("encoder.quantizer.log_temperature" in still) == hard


def test_gradients_are_those_of_finite_differences():
    """Of every parameter, in float64, while codes stay."""
    changes = {"interaction": "dot", "field_tokens": "none", "anneal": 5, "epochs": 12}
    model, batch, negatives = model_in_phase(2, unquantised_weight=0.0, **changes)
    model.double().eval()
    with torch.no_grad():  # biases are set to put one score at zero exactly, where there is a kink
        model.bias += 0.01 * torch.rand_like(model.bias)

    def loss():
        positive, negative, _ = model.batch_scores(batch, negatives)
        negative = dense(negative)
        return negative.logsumexp(1).sum() - positive.sum()

    loss().backward()
    random = np.random.default_rng(0)
    for name, one in model.named_parameters():
        flat, gradient = one.data.view(-1), one.grad.view(-1)
        for place in random.choice(len(flat), min(3, len(flat)), replace=False).tolist():
            before, around = float(flat[place]), []
            for step in (1e-6, -1e-6):
                flat[place] = before + step
                around.append(float(loss().detach()))
            flat[place] = before
            slope = (around[0] - around[1]) / 2e-6
            assert slope == pytest.approx(float(gradient[place]), rel=1e-4, abs=1e-6), name


def test_the_score_is_linear_then_bent_then_cut():
    """In the warm-up scores add up as they are; at the end nothing is below zero."""
    for phase, negative_possible in ((0, True), (1, True), (2, False)):
        model, batch, _ = model_in_phase(phase)
        with torch.no_grad():
            scores = model.eval().all_scores(batch)
        assert (scores.min() < 0) == negative_possible
        assert model.is_warming_up == (phase < 2)


def test_what_is_not_stored_scores_zero():
    """With final lists of 3 items in the loop, a query of L codes scores at most 3 L items."""
    model, batch, _ = model_in_phase(
        3, finish=9, top_per_code=3, epochs=12, field_tokens="none", n_heads=1, n_nearest=2
    )
    with torch.no_grad():
        scores = model.eval().all_scores(batch)
    assert ((scores > 0).sum(1) <= 6).all()


def test_heads_start_with_the_whole_history_and_differ():
    """Projections start as the identity; by their part of the perceptron no two heads are equal."""
    model, batch, _ = model_in_phase(0, field_tokens="none", n_heads=3)
    projections = model.encoder.tokenizer.projections.detach()
    assert torch.equal(projections, torch.eye(8).expand(3, 8, 8))
    tokens = model.tokens(batch).quantisable
    gaps = torch.cdist(tokens, tokens) + 9 * torch.eye(3)
    assert gaps.min() > 1e-3


@pytest.mark.parametrize("tokenizer", ["heads", "attention"])
def test_heads_start_as_rotations_of_their_own_where_asked_to(tokenizer):
    """P P^T is the identity of each head, no two are equal, and tokens are the rotated means."""
    model, batch, _ = model_in_phase(
        0, field_tokens="none", n_heads=3, head_start="orthogonal", tokenizer=tokenizer
    )
    one = model.encoder.tokenizer
    projections = one.projections.detach()
    torch.testing.assert_close(projections @ projections.mT, torch.eye(8).expand(3, 8, 8))
    gaps = torch.cdist(projections.flatten(1), projections.flatten(1)) + 9 * torch.eye(3)
    assert gaps.min() > 1
    with torch.no_grad():
        for part in one.mixture.parameters():
            part.zero_()
        if tokenizer == "heads":
            inputs = model.encoder.query.inputs(batch.history, batch.fields)
            mean = model.encoder.query.of_inputs(inputs, model.items.history_table())[:, 0]
            tokens = model.tokens(batch).quantisable
            torch.testing.assert_close(tokens, torch.einsum("nd,hde->nhe", mean, projections))

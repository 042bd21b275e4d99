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

PARAMS = SparCodeParams(
    dim=8, hidden=16, n_heads=2, n_codewords=8, density=0.5, warm_up=1, anneal=1
)


def examples(train, n_batches=3):
    random = np.random.default_rng(0)
    batches = epoch_batches(train, 32, 5, random)
    sampler = NegativeSampler(train, 8, random)
    return [next(batches) for _ in range(n_batches)], sampler.draw()


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


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_gradients_reach_every_part(phase):
    """Query side, item side, interaction and biases, with codes as without.

    While scores are linear a bias shifts all of them alike, which the softmax does not see. The
    quantiser has buffers only; its codewords must have moved where there are codes.
    """
    model, batch, negatives = model_in_phase(phase)
    before = model.quantizer.codebooks.clone()
    positive, negative, extra = model.batch_scores(batch, negatives)
    (negative.logsumexp(1).sum() - positive.sum() + extra).backward()
    steps = {
        name: 0.0 if one.grad is None else float(one.grad.abs().max())
        for name, one in model.named_parameters()
    }
    rounding = 1e-5 * max(steps.values())
    still = {name for name, step in steps.items() if step <= rounding}
    assert still == ({"bias"} if phase == 0 else set())
    assert torch.equal(before, model.quantizer.codebooks) == (phase == 0)


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_batch_scores_are_those_of_the_catalogue(phase):
    """The same pair has the same score in a training step and in a search of everything."""
    model, batch, negatives = model_in_phase(phase)
    model.eval()
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        scores = model.all_scores(batch)
    rows = np.arange(len(batch.targets))
    torch.testing.assert_close(positive, scores[rows, batch.targets], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(negative, scores[:, negatives.items], rtol=1e-4, atol=1e-5)


def test_the_score_is_linear_then_bent_then_cut():
    """In the warm-up scores add up as they are; at the end nothing is below zero."""
    for phase, negative_possible in ((0, True), (1, True), (2, False)):
        model, batch, _ = model_in_phase(phase)
        with torch.no_grad():
            scores = model.eval().all_scores(batch)
        assert (scores.min() < 0) == negative_possible
        assert model.is_warming_up == (phase < 2)


@pytest.mark.parametrize("density", [0.1, 0.5])
def test_the_bias_leaves_the_wanted_share_positive(density):
    """Set on the scores of the codes of recent batches, for each token apart."""
    model, batch, _ = model_in_phase(1, density=density)
    model.eval()
    with torch.no_grad():
        tokens = model.quantizer(model.tokens(batch.history, batch.fields)).vectors
        scores = model.interaction.all_pairs(tokens, model.catalogue()) + model.bias[:, None]
    shares = (scores > 0).float().mean(dim=(0, 2))  # per token
    torch.testing.assert_close(shares, torch.full_like(shares, density), rtol=0, atol=0.15)


def test_tokens_start_out_different():
    """Heads are different rotations of one history: no two tokens of a query are alike."""
    model, batch, _ = model_in_phase(0, n_heads=4)
    tokens = model.tokens(batch.history, batch.fields)
    assert tokens.shape[1] == 4 + 2  # and one of each field
    unit = torch.nn.functional.normalize(tokens, dim=-1)
    cosines = (unit @ unit.transpose(1, 2)).abs().mean(0)
    assert (cosines - torch.eye(6)).max() < 0.9


def test_field_tokens_can_be_left_out():
    """Then only heads are left, which still see the fields."""
    model, batch, _ = model_in_phase(0, field_tokens=False)
    assert model.tokens(batch.history, batch.fields).shape[1] == model.tokenizer.n_tokens == 2


def test_projections_start_orthogonal():
    """P^T P is the identity, so that no head loses anything of the history."""
    model, _, _ = model_in_phase(0)
    for one in model.tokenizer.projections.detach():
        torch.testing.assert_close(one.T @ one, torch.eye(8), atol=1e-5, rtol=0)

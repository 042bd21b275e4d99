"""Gradients of the whole model are those of finite differences, for every form of it."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.testing import tiny_log
from methods.batches import epoch_batches
from methods.interactions import mlp
from methods.interactions.choice import INTERACTIONS
from methods.negatives import NegativeSampler
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.params import SparCodeParams
from methods.training.scored import dense

PARAMS = SparCodeParams(
    dim=4, hidden=8, n_heads=2, n_codewords=6, n_nearest=3, density=0.5, warm_up=1, anneal=1
)
FORMS = [
    *({"interaction": name} for name in INTERACTIONS),
    {"tokenizer": "attention"},
    {"tokenizer": "residual", "n_heads": 1},
    {"tokenizer": "residual"},
    {"field_tokens": "none"},
    {"field_tokens": "pairs"},
    {"field_tokens": "beside", "n_parts": 2, "shared_codebooks": True},
    {"head_start": "orthogonal"},
]
STEP = 1e-6


def plain_split_mlp(a, b, w):
    """Return what the fused kernel, which is float32 alone, computes."""
    return torch.relu(a[:, None] + b[None]) @ w


def model_and_loss(changes):
    """Return a model in float64 whose slope is 0, and its loss of one batch."""
    train, random = tiny_log(), np.random.default_rng(0)
    torch.manual_seed(0)
    settings = dataclasses.replace(PARAMS, interaction="dot", unquantised_weight=0.0)
    model = SparCodeModel(train, dataclasses.replace(settings, **changes).model, "cpu")
    batches = list(epoch_batches(train, 16, 5, random))[:4]
    for epoch in range(3):
        model.begin_epoch(epoch, batches if epoch else [])
    model.double().eval()
    with torch.no_grad():
        for one in model.parameters():  # away from kinks, and nothing is small or absent
            one.add_(0.1 * torch.randn_like(one))
    negatives = NegativeSampler(train, 8, random).draw(batches[0].targets)

    def loss():
        positive, negative, _ = model.batch_scores(batches[0], negatives)
        return dense(negative).logsumexp(1).sum() - positive.sum()

    return model, loss


def slopes(one, loss, direction):
    """Return the slope of the loss along a direction by differences, and of the gradient."""
    around = []
    with torch.no_grad():
        for step in (STEP, -2 * STEP):
            one += step * direction
            around.append(float(loss()))
        one += STEP * direction
    return (around[0] - around[1]) / (2 * STEP), float((one.grad * direction).sum())


@pytest.mark.parametrize("changes", FORMS, ids=str)
def test_gradients_are_those_of_finite_differences(changes, monkeypatch):
    """Of every parameter along a direction drawn by lot, by the codes' loss alone.

    What a residual level leaves over counts as constant for the levels after it, so with two levels
    only what comes after the codes is compared, and the codewords of the last.
    """
    monkeypatch.setattr(mlp, "split_mlp", plain_split_mlp)
    model, loss = model_and_loss(changes)
    loss().backward()
    random, n_compared = torch.Generator().manual_seed(1), 0
    stops = changes.get("tokenizer") == "residual" and "n_heads" not in changes
    for name, one in model.named_parameters():
        if stops and not name.startswith(("interaction", "bias", "encoder.quantizer.codebooks")):
            continue
        direction = torch.randn(one.shape, generator=random, dtype=one.dtype)
        if stops and name.endswith("codebooks"):
            direction[0] = 0
        measured, expected = slopes(one, loss, direction)
        assert measured == pytest.approx(expected, rel=1e-4, abs=1e-6), name
        n_compared += expected != 0
    assert n_compared >= 5

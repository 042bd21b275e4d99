"""The loss of scores that are still to be made, against that of the same scores as a matrix."""

import numpy as np
import pytest
import torch

from methods import products
from methods.losses import RankingLoss
from methods.negatives import Negatives
from methods.products import ProductScores
from methods.summed_softmax import SummedScores
from methods.training import loss_of_scores

N, M, DIM, ROWS = 9, 14, 5, 6


def drawn(seed):
    """Return negatives of which some pairs do not count, and inputs that want gradients."""
    random = torch.Generator().manual_seed(seed)
    excluded = torch.rand(N, M, generator=random) < 0.2
    rows, columns = (np.ascontiguousarray(one) for one in np.nonzero(excluded.numpy()))
    log_expected = torch.randn(M, generator=random)
    negatives = Negatives(np.arange(M), log_expected, M, rows, columns)
    return negatives, random


def loss_and_gradients(loss, inputs, negatives, form):
    """Return the loss of ``form(*inputs)`` and the gradients of the inputs, as one list."""
    learned = [one.clone().requires_grad_() for one in inputs]
    positive, negative = form(*learned)
    value = loss_of_scores(loss, positive, negative, negatives)
    value.backward()
    return [value.detach(), *(one.grad for one in learned)]


@pytest.mark.parametrize("name", ["sampled_softmax", "bpr"])
@pytest.mark.parametrize("fused_from", [1, 1 << 22], ids=["many", "few"])
def test_inner_products_have_the_loss_of_their_matrix(name, fused_from, monkeypatch):
    """Whether the scores are kept or not, at a temperature that is not 1."""
    monkeypatch.setattr(products, "FUSED_FROM", fused_from)
    negatives, random = drawn(1)
    inputs = [torch.randn(n, DIM, generator=random) for n in (N, N, M)]
    loss = RankingLoss(name, n_items=M, temperature=0.7)
    both = [
        loss_and_gradients(loss, inputs, negatives, form)
        for form in (
            lambda q, t, i: ((q * t).sum(1), ProductScores(q, i)),
            lambda q, t, i: ((q * t).sum(1), q @ i.T),
        )
    ]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["sampled_softmax", "bce"])
def test_sums_have_the_loss_of_their_matrix(name):
    """Weighted sums of shared rows, at a temperature that is not 1."""
    negatives, random = drawn(2)
    inputs = [torch.randn(N, generator=random), torch.randn(ROWS, M, generator=random)]
    inputs.append(torch.rand(N, 3, generator=random))
    places = torch.randint(ROWS, (N, 3), generator=random)
    loss = RankingLoss(name, n_items=M, temperature=0.7)
    both = [
        loss_and_gradients(loss, inputs, negatives, form)
        for form in (
            lambda own, rows, weights: (own, SummedScores(rows, places, weights)),
            lambda own, rows, weights: (own, (weights[:, :, None] * rows[places]).sum(1)),
        )
    ]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)

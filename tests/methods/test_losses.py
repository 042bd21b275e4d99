"""Losses: the sampled softmax against worked cases and the full softmax."""

import math

import numpy as np
import torch

from methods.losses import sampled_softmax


def test_the_whole_catalogue_gives_the_full_softmax():
    """With every item as a negative and expectation one it is the cross-entropy of torch."""
    torch.manual_seed(0)
    scores, targets = torch.randn(6, 9), torch.tensor([0, 8, 3, 3, 5, 1])
    positive = scores[torch.arange(6), targets]
    is_target = targets[:, None] == torch.arange(9)
    loss = sampled_softmax(positive, scores, torch.zeros(9), is_target)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, targets))


def test_a_worked_case():
    """Target e^1; negatives e^0 expected 2 times, e^2 expected 1/2: Z = e + 1/2 + 2 e^2."""
    loss = sampled_softmax(
        torch.tensor([1.0]),
        torch.tensor([[0.0, 2.0]]),
        torch.tensor([math.log(2), math.log(0.5)]),
        torch.zeros(1, 2, dtype=torch.bool),
    )
    assert math.isclose(loss.item(), math.log(math.e + 0.5 + 2 * math.e**2) - 1, rel_tol=1e-6)


def test_a_negative_that_is_the_target_is_left_out():
    """The accidental hit, however large its score, changes nothing and has no gradient."""
    negative = torch.tensor([[50.0, 0.0]], requires_grad=True)
    hit = torch.tensor([[True, False]])
    loss = sampled_softmax(torch.tensor([1.0]), negative, torch.zeros(2), hit)
    assert math.isclose(loss.item(), math.log(math.e + 1) - 1, rel_tol=1e-6)
    loss.backward()
    assert negative.grad[0, 0] == 0
    assert negative.grad[0, 1] > 0


def test_the_partition_sum_is_estimated_without_bias():
    """The mean of the estimated sums over 20,000 samples is the sum over the catalogue."""
    random = np.random.default_rng(0)
    scores, odds = random.normal(size=8), (random.dirichlet(np.ones(8)) + 1 / 8) / 2
    target, m = 2, 5
    sums = []
    for _ in range(20_000):
        drawn = random.choice(8, size=m, p=odds)
        loss = sampled_softmax(
            torch.tensor([scores[target]]),
            torch.from_numpy(scores[drawn])[None],
            torch.from_numpy(np.log(m * odds[drawn])),
            torch.from_numpy(drawn == target)[None],
        )
        sums.append(math.exp(loss.item() + scores[target]))
    assert abs(np.mean(sums) / np.exp(scores).sum() - 1) < 0.02

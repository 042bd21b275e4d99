"""The softmax over summed rows against the dense one, in float64, and its gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.summed_softmax import SummedScores, softmax_of_sums


def case(seed, n, m, n_rows, length, scale=1.0):
    """Return the tensors of one loss, those with gradients first: positive, scores, weights."""
    random = torch.Generator().manual_seed(seed)
    return (
        scale * torch.randn(n, generator=random),
        scale * torch.randn(n_rows, m, generator=random),
        torch.rand(n, length, generator=random),
        torch.randint(n_rows, (n, length), generator=random),
        torch.randn(m, generator=random),
        torch.rand(n, m, generator=random) < 0.2,  # pairs that do not count
    )


def dense_loss(positive: Tensor, scores: Tensor, weights: Tensor, *rest: Tensor) -> Tensor:
    """Return the loss as its definition has it: sums of rows, minus log-Q, excluded left out."""
    places, log_expected, excluded = rest
    negative = (weights[:, :, None] * scores[places]).sum(1) - log_expected
    negative = negative.masked_fill(excluded, -torch.inf)
    logits = torch.cat((positive[:, None], negative), dim=1)
    return (torch.logsumexp(logits, 1) - positive).mean()


def loss_and_gradients(function, tensors, dtype):
    learned = [one.detach().to(dtype).clone().requires_grad_() for one in tensors[:3]]
    places, log_expected, excluded = tensors[3:]
    loss = function(*learned, places, log_expected.to(dtype), excluded)
    (3 * loss).backward()
    return [loss.detach(), *(one.grad for one in learned)]


def summed(positive, scores, weights, places, log_expected, excluded):
    negative = SummedScores(scores, places, weights)
    pairs = torch.nonzero(excluded, as_tuple=True)
    return softmax_of_sums(positive, negative, log_expected, pairs)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10_000),
    st.integers(1, 9),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0.01, 1.0, 30.0]),
)
def test_loss_and_gradients_are_those_of_the_dense_softmax(seed, n, m, n_rows, length, scale):
    """Of random sizes, rows used several times by a query, flat and steep: equal to 1e-5."""
    tensors = case(seed, n, m, n_rows, length, scale)
    ours = loss_and_gradients(summed, tensors, torch.float32)
    exact = loss_and_gradients(dense_loss, tensors, torch.float64)
    for one, other in zip(ours, exact, strict=True):
        scale_of_other = max(1e-6, float(other.abs().max()))
        assert torch.allclose(one.double(), other, rtol=1e-4, atol=1e-5 * scale_of_other)


def test_the_dense_scores_are_the_sums():
    """By hand: row 0 is 0.5 * (1, 2) + 2 * (3, 4)."""
    scores = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    negative = SummedScores(scores, torch.tensor([[0, 1]]), torch.tensor([[0.5, 2.0]]))
    assert negative.dense().tolist() == [[6.5, 9.0]]


def test_a_row_whose_negatives_are_all_excluded_loses_nothing():
    """Only the target's own term is left, so the loss is 0 and nothing has a gradient."""
    one, zero = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    excluded = torch.ones(1, 1, dtype=torch.bool)
    tensors = (torch.tensor([2.0]), one, one, zero[None], torch.zeros(1), excluded)
    for one in loss_and_gradients(summed, tensors, torch.float32):
        assert float(one.abs().sum()) == pytest.approx(0.0, abs=1e-6)


def test_the_number_of_threads_changes_nothing():
    """The same bits with one thread of torch and with two."""
    tensors, before = case(1, 50, 200, 20, 4), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(loss_and_gradients(summed, tensors, torch.float32))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())

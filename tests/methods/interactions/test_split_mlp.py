"""The fused kernel equals the perceptron on the concatenation, forward and backward."""

import pytest
import torch
from torch import nn

from methods.interactions.split_mlp import split_mlp


def sides(n_r=5, n_s=7, hidden=6, device="cpu"):
    torch.manual_seed(0)
    shapes = (n_r, hidden), (n_s, hidden), (hidden,)
    return [torch.randn(*shape, device=device).requires_grad_() for shape in shapes]


def test_a_case_by_hand():
    """One pair: 2 * relu(1 + 3) + 5 * relu(1 - 4) = 8."""
    a, b, w = torch.tensor([[1.0, 1]]), torch.tensor([[3.0, -4]]), torch.tensor([2.0, 5])
    assert split_mlp(a, b, w).tolist() == [[8]]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_it_is_the_first_layer_on_the_concatenation(device):
    """Linear([token; item]) -> ReLU -> weights, with the matrix cut in two columns of blocks."""
    torch.manual_seed(0)
    tokens, items = torch.randn(5, 3, device=device), torch.randn(7, 4, device=device)
    whole = nn.Linear(7, 6).to(device)
    w = torch.randn(6, device=device)
    a = tokens @ whole.weight[:, :3].T + whole.bias
    b = items @ whole.weight[:, 3:].T
    pairs = torch.cat((tokens[:, None].expand(5, 7, 3), items[None].expand(5, 7, 4)), dim=-1)
    torch.testing.assert_close(split_mlp(a, b, w), torch.relu(whole(pairs)) @ w)


@pytest.mark.parametrize("zeros", [False, True])
def test_gradients_are_those_of_autograd(zeros):
    """Of both sides and the weights; also where most pairs have no gradient and are skipped."""
    ours, theirs = sides(), sides()
    gradient = torch.randn(5, 7)
    if zeros:
        gradient[gradient < 0.5] = 0
    split_mlp(*ours).backward(gradient)
    (torch.relu(theirs[0][:, None] + theirs[1][None]) @ theirs[2]).backward(gradient)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-5)


def test_a_pair_has_one_score_whoever_is_with_it():
    """Bit for bit: alone, or among others."""
    a, b, w = (tensor.detach() for tensor in sides(9, 33, 20))
    whole = split_mlp(a, b, w)
    for r in range(9):
        assert torch.equal(split_mlp(a[[r]], b, w)[0], whole[r])
    assert torch.equal(split_mlp(a, b[:5], w), whole[:, :5])

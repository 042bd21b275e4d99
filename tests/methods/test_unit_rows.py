"""Vectors of length 1: torch's own formula is the oracle."""

import torch
from torch.nn import functional

from methods.unit_rows import LEAST_LENGTH, unit_rows


def test_value_and_gradient_are_those_of_torch():
    """Of ordinary rows, of one of zeros, and of one too short to be made longer."""
    torch.manual_seed(0)
    rows = torch.randn(9, 5)
    rows[3], rows[4] = 0, 1e-13
    given = torch.randn(9, 5)
    results = []
    for scaled in (lambda x: functional.normalize(x, dim=1, eps=LEAST_LENGTH), unit_rows):
        leaf = rows.clone().requires_grad_()
        unit = scaled(leaf)
        unit.backward(given)
        results.append((unit.detach(), leaf.grad))
    (value, gradient), (ours, our_gradient) = results
    assert torch.equal(ours, value)
    torch.testing.assert_close(our_gradient, gradient, rtol=1e-5, atol=1e-6)
    assert our_gradient[3].abs().max() > 1e10  # a row at the least length is over a constant


def test_without_a_gradient_and_in_double_precision_it_is_torchs():
    """A plain tensor, and float64."""
    rows = torch.randn(4, 3)
    assert torch.equal(unit_rows(rows), functional.normalize(rows, dim=1, eps=LEAST_LENGTH))
    exact = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit_rows, exact)

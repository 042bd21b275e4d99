"""Scoring distinct tokens once changes neither scores nor gradients."""

import numpy as np
import torch

from harness.fields import Categorical, Fields, MultiValued
from harness.lists import Lists
from methods.sparcode.model.distinct import distinct_tokens

FIELDS = Fields(
    4,
    {
        "side": Categorical(np.array([1, 0, 1, 1]), 2),
        "tags": MultiValued(Lists.of([[0], [0], [], [1]]), 2),
    },
)
NAMES = [None, "side", "tags"]  # one head and a token per field


def tokens_of(table, others):
    """Return (4, 3, 2): the query's own vector, the field's row, the query's own again."""
    side = table[torch.from_numpy(FIELDS.columns["side"].ids)]
    return torch.stack([others[:, 0], side, others[:, 1]], dim=1)


def parameters():
    torch.manual_seed(0)
    return torch.randn(2, 2, requires_grad=True), torch.randn(4, 2, 2, requires_grad=True)


def test_by_hand():
    """Four vectors of the head, two of the field (ids 0 and 1), four of the tags."""
    found = distinct_tokens(tokens_of(*parameters()), FIELDS, NAMES)
    assert found.vectors.shape == (10, 2)
    assert found.owners.tolist() == [0] * 4 + [1] * 2 + [2] * 4
    assert found.places.tolist() == [[0, 5, 6], [1, 4, 7], [2, 5, 8], [3, 5, 9]]


def test_places_give_back_the_tokens():
    """Looking up each query's places gives its own tokens, bit for bit."""
    tokens = tokens_of(*parameters())
    found = distinct_tokens(tokens, FIELDS, NAMES)
    assert torch.equal(found.vectors[found.places], tokens)


def test_sums_and_gradients_are_those_of_all_tokens():
    """Of a non-linear score: the field's table gets the gradient of every query that has it."""
    items = torch.randn(2, 5)
    weights = torch.randn(4, 5)
    results = []
    for distinct in (True, False):
        table, others = parameters()
        tokens = tokens_of(table, others)
        if distinct:
            found = distinct_tokens(tokens, FIELDS, NAMES)
            sums = found.sum_of(torch.relu(found.vectors @ items))
        else:
            sums = torch.relu(tokens @ items).sum(1)
        (sums * weights).sum().backward()
        results.append((sums, table.grad, others.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_without_fields_every_token_stands_for_itself():
    """Nothing is shared."""
    tokens = torch.randn(3, 2, 4)
    found = distinct_tokens(tokens, None, [None, None])
    assert found.vectors.shape == (6, 4)
    assert torch.equal(found.vectors[found.places], tokens)

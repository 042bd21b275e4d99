"""Negatives: the stated odds are the odds with which items are drawn."""

import numpy as np
import torch

from harness.interactions import Interactions
from harness.lists import Lists
from methods.negatives import NegativeSampler

# Item 0 has six events, item 1 two, items 2 and 3 none.
NONE = np.zeros(0, np.int64)
TRAIN = Interactions(Lists.of([[0, 0, 0, 1], [0, 0, 0, 1]]), 4)


def test_expected_draws_by_hand():
    """Two of m = 2: one uniform, one by popularity; item 0: 1/4 + 6/8, item 2: 1/4 + 0."""
    sampler = NegativeSampler(TRAIN, 2, np.random.default_rng(0))
    expected = {0: 1 / 4 + 6 / 8, 1: 1 / 4 + 2 / 8, 2: 1 / 4, 3: 1 / 4}
    for _ in range(20):
        drawn = sampler.draw(NONE)
        assert drawn.n_uniform == 1
        for item, log_expected in zip(drawn.items, drawn.log_expected, strict=True):
            assert np.isclose(np.exp(log_expected.item()), expected[int(item)])


def test_items_are_drawn_as_often_as_stated():
    """Also with an odd number of negatives, the odd one uniform: means over 4,000 batches."""
    sampler = NegativeSampler(TRAIN, 3, np.random.default_rng(0))
    counts, stated = np.zeros(4), np.zeros(4)
    for _ in range(4000):
        drawn = sampler.draw(NONE)
        counts += np.bincount(drawn.items, minlength=4)
        stated[drawn.items] = np.exp(drawn.log_expected.numpy())
    np.testing.assert_allclose(stated, [2 / 4 + 6 / 8, 2 / 4 + 2 / 8, 2 / 4, 2 / 4], rtol=1e-6)
    np.testing.assert_allclose(counts / 4000, stated, atol=0.05)


def test_uniform_draws_come_first():
    """Half the draws are uniform and stand first: items without events are among them only."""
    sampler = NegativeSampler(TRAIN, 2, np.random.default_rng(1))
    draws = [sampler.draw(NONE) for _ in range(200)]
    assert {int(drawn.items[0]) for drawn in draws} == {0, 1, 2, 3}
    assert {int(drawn.items[1]) for drawn in draws} == {0, 1}


def test_enough_negatives_are_the_catalogue():
    """With m >= n_items every item comes once, with expectation one: the full softmax."""
    drawn = NegativeSampler(TRAIN, 4, np.random.default_rng(0)).draw(NONE)
    assert drawn.items.tolist() == [0, 1, 2, 3]
    assert torch.equal(drawn.log_expected, torch.zeros(4))


def test_the_same_seed_draws_the_same():
    """Two samplers with equal generators agree draw by draw."""
    one, two = (NegativeSampler(TRAIN, 3, np.random.default_rng(5)) for _ in range(2))
    for _ in range(5):
        assert one.draw(NONE).items.tolist() == two.draw(NONE).items.tolist()

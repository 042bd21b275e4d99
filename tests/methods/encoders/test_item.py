"""The item side: rows of features for any selection of items."""

import numpy as np
import torch

from harness.fields import Categorical, Fields, MultiValued
from harness.interactions import Interactions
from harness.lists import Lists
from methods.encoders.item import ItemFeatures

TRAIN = Interactions(
    Lists.of([[0, 1]]),
    4,
    item_fields=Fields(
        4,
        {
            "tags": MultiValued(Lists.of([[0, 1], [], [2], [1, 2, 0]]), 3),
            "side": Categorical(np.array([0, 1, 0, 1]), 2),
        },
    ),
)


def test_rows_are_the_same_in_any_selection():
    """Items taken in another order, twice, or one at a time have the features of the whole."""
    torch.manual_seed(0)
    features = ItemFeatures(TRAIN, 5, "cpu")
    assert features.width == 15
    whole = features(torch.arange(4))
    assert whole.shape == (4, 15)
    picked = torch.tensor([3, 1, 1, 0, 2])
    torch.testing.assert_close(features(picked), whole[picked])
    for item in range(4):
        torch.testing.assert_close(features(torch.tensor([item])), whole[[item]])


def test_without_fields_the_features_are_the_id():
    """The width is that of the id's vector."""
    features = ItemFeatures(Interactions(Lists.of([[0]]), 4), 5, "cpu")
    assert torch.equal(features(torch.arange(4)), features.ids.weight)

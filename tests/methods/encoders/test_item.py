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
    features = ItemFeatures(TRAIN, 5, "cpu").eval()
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


def test_what_an_item_brings_to_a_history_by_hand():
    """The id's vector, the mean of its tags' and its side's, added up."""
    torch.manual_seed(0)
    features = ItemFeatures(TRAIN, 5, "cpu").eval()
    tags, side = (table.weight for table in features.fields.tables.values())
    expected = features.ids.weight[0] + (tags[0] + tags[1]) / 2 + side[0]
    torch.testing.assert_close(features.history_table()[0], expected)
    torch.testing.assert_close(features.history_table()[1], features.ids.weight[1] + side[1])


def test_training_drops_of_the_id_only_and_only_where_there_are_fields():
    """The fields' part is whole; of ids half of the coordinates are zero, the rest scaled."""
    torch.manual_seed(0)
    features = ItemFeatures(TRAIN, 200, "cpu").train()
    dropped, whole = features(torch.arange(4)), features.eval()(torch.arange(4))
    torch.testing.assert_close(dropped[:, 200:], whole[:, 200:])
    kept = dropped[:, :200] != 0
    assert abs(kept.float().mean() - 0.5) < 0.1
    torch.testing.assert_close(dropped[:, :200][kept], whole[:, :200][kept] / 0.5)
    plain = ItemFeatures(Interactions(Lists.of([[0]]), 4), 200, "cpu").train()
    assert torch.equal(plain(torch.arange(4)), plain.ids.weight)

"""The query side: history and fields, users unknown in training included."""

import numpy as np
import torch

from harness.fields import Categorical, Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.encoders.query import QueryFeatures

FIELDS = Fields(2, {"age": Categorical(np.array([0, 1]), 2)})
TRAIN = Interactions(Lists.of([[0, 1], [2]]), 3, user_fields=FIELDS)
ITEMS = torch.tensor([[1.0, 0.0], [3.0, 4.0], [5.0, 5.0]])


def test_the_history_is_the_mean_of_its_items():
    """Items 0 and 1: (2, 2). No history: zeros. A field follows as a part of its own."""
    features = QueryFeatures(TRAIN.query_schema, 2, "cpu")
    parts = features(Lists.of([[0, 1], []]), FIELDS, ITEMS)
    assert features.n_parts == 2
    assert parts[:, 0].tolist() == [[2.0, 2.0], [0.0, 0.0]]
    assert torch.equal(parts[:, 1], next(iter(features.fields.tables.values())).weight)


def test_a_log_without_fields_has_one_part():
    """Only the history's mean is left."""
    features = QueryFeatures(Interactions(Lists.of([[0]]), 3).query_schema, 2, "cpu")
    assert features(Lists.of([[2]]), None, ITEMS).tolist() == [[[5.0, 5.0]]]


def test_a_log_without_events_can_be_described():
    """The names of fields are known though there is no event to take them from."""
    train = Interactions(Lists.empty(2), 3, user_fields=FIELDS)
    assert QueryFeatures(train.query_schema, 2, "cpu").n_parts == 2

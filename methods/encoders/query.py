"""The query side of every learned method: the mean of the history and the vectors of fields."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.fields import Fields
from harness.lists import Lists
from methods.encoders.fields import FieldEmbeddings, mean_of_bags
from methods.encoders.tensors import Bags, Columns, columns_of


class Inputs(NamedTuple):
    """Queries as tensors on a device: the bags of their histories, the columns of their fields."""

    history: Bags
    columns: Columns


class QueryFeatures(nn.Module):
    """History and fields -> n_parts vectors of ``dim``: the history's first, then one per field.

    The history's part is the mean of its items' vectors, from `ItemFeatures.history_table`. No user
    id is used, so a user unknown in training is served like any other.
    """

    def __init__(self, schema: Fields | None, dim: int, device: str) -> None:
        """Take the names, kinds and sizes of the query side's fields; rows are not looked at."""
        super().__init__()
        self.fields = FieldEmbeddings(schema, dim)
        self.n_parts = 1 + len(self.fields)
        self._device = device

    def forward(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Tensor:
        """Return (n, n_parts, dim); ``item_table`` is (n_items, dim)."""
        return self.of_inputs(self.inputs(history, fields), item_table)

    def inputs(self, history: Lists, fields: Fields | None) -> Inputs:
        """Copy history and fields to the device."""
        return Inputs(Bags.of(history, self._device), columns_of(fields, self._device))

    def of_inputs(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return (n, n_parts, dim) from what lies on the device already."""
        mean = mean_of_bags(inputs.history, item_table)
        return torch.stack([mean, *self.fields(inputs.columns)], dim=1)


def mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))

"""The query side of every learned method: the mean of the history and the vectors of fields."""

import torch
from torch import Tensor, nn

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.encoders.fields import FieldEmbeddings, mean_of_bags
from methods.encoders.tensors import Bags, columns_of


class QueryFeatures(nn.Module):
    """History and fields -> n_parts vectors of ``dim``: the history's first, then one per field.

    The history's part is the mean of its items' vectors, from `ItemFeatures.history_table`. No user
    id is used, so a user unknown in training is served like any other.
    """

    def __init__(self, train: Interactions, dim: int, device: str) -> None:
        """Take the names and sizes of the query side's fields from a training log."""
        super().__init__()
        some = train.query_fields(torch.arange(min(1, train.n_events)).numpy())
        self.fields = FieldEmbeddings(some, dim)
        self.n_parts = 1 + len(self.fields)
        self._device = device

    def forward(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Tensor:
        """Return (n, n_parts, dim); ``item_table`` is (n_items, dim)."""
        mean = mean_of_bags(Bags.of(history, self._device), item_table)
        columns = columns_of(fields, self._device)
        return torch.stack([mean, *self.fields(columns)], dim=1)


def mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))

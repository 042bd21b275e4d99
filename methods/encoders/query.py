"""The query side of every learned method: a vector of the history and the vectors of fields."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.fields import Fields
from harness.lists import IntArray, Lists
from methods.encoders.choice import make_history_encoder
from methods.encoders.fields import FieldEmbeddings
from methods.encoders.params import MEAN, EncoderParams
from methods.encoders.tensors import Bags, Columns, columns_of, placed


class Inputs(NamedTuple):
    """Queries as tensors on a device: the bags of their histories, the columns of their fields.

    ``positions`` are those of a batch of sequences, see `methods.batches.Batch`.
    """

    history: Bags
    columns: Columns
    positions: Tensor | None = None


class QueryFeatures(nn.Module):
    """History and fields -> n_parts vectors of ``dim``: the history's first, then one per field.

    The history's part is made by the encoder that ``encoder`` names (by default the mean) of its
    items' vectors, from `ItemFeatures.history_table`. No user id is used, so a user unknown in
    training is served like any other.

    ``is_mean`` says whether the history's part is the mean of its items' vectors.
    """

    def __init__(
        self,
        schema: Fields | None,
        dim: int,
        device: str,
        encoder: EncoderParams = MEAN,
        hidden: int = 0,
    ) -> None:
        """Take the names, kinds and sizes of the query side's fields; rows are not looked at.

        ``hidden`` is for a recurrent encoder.
        """
        super().__init__()
        self.fields = FieldEmbeddings(schema, dim)
        self.history = make_history_encoder(encoder, dim, hidden)
        self.is_mean = encoder.encoder == "mean"
        self.n_parts = 1 + len(self.fields)
        self._device = device

    def forward(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Tensor:
        """Return (n, n_parts, dim); ``item_table`` is (n_items, dim)."""
        return self.of_inputs(self.inputs(history, fields), item_table)

    def inputs(
        self, history: Lists, fields: Fields | None, positions: IntArray | None = None
    ) -> Inputs:
        """Copy history, fields and the positions of a batch of sequences to the device."""
        columns = columns_of(fields if len(self.fields) else None, self._device)
        wanted = None if positions is None else placed(positions, self._device)
        return Inputs(Bags.of(history, self._device), columns, wanted)

    def of_inputs(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return (n, n_parts, dim) from what lies on the device already."""
        vectors = self.history(inputs.history, item_table, inputs.positions)
        return torch.stack([vectors, *self.fields(inputs.columns)], dim=1)


def mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))

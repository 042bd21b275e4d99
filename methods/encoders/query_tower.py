"""Query tower: history and fields -> one vector, the history's plus a perceptron over all."""

from typing import Literal

from torch import Tensor, nn

from harness.fields import Fields
from harness.lists import IntArray, Lists
from methods.encoders.params import MEAN, EncoderParams
from methods.encoders.query import Inputs, QueryFeatures, mlp

TowerName = Literal["mlp", "none"]


class QueryTower(nn.Module):
    """Query -> vector: the history's, plus a perceptron over history and fields.

    With the tower ``none`` it is the history's vector, and fields are not read.
    """

    def __init__(
        self,
        schema: Fields | None,
        dim: int,
        hidden: int,
        device: str,
        encoder: EncoderParams = MEAN,
        tower: TowerName = "mlp",
    ) -> None:
        """Take names, kinds and sizes of the query side's fields."""
        super().__init__()
        plain = tower == "none"
        self.features = QueryFeatures(None if plain else schema, dim, device, encoder, hidden)
        self.tower = None if plain else mlp(self.features.n_parts * dim, hidden, dim)

    def forward(
        self,
        history: Lists,
        fields: Fields | None,
        item_table: Tensor,
        positions: IntArray | None = None,
    ) -> Tensor:
        """Return (n, dim); ``item_table`` is `ItemFeatures.history_table`.

        ``positions`` are those of a batch of sequences, see `methods.batches.Batch`.
        """
        return self.of_inputs(self.features.inputs(history, fields, positions), item_table)

    def of_inputs(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return (n, dim) from what lies on the device already."""
        parts = self.features.of_inputs(inputs, item_table)
        vectors: Tensor = parts[:, 0]
        return vectors if self.tower is None else vectors + self.tower(parts.flatten(1))

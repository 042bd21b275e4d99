"""Query tower: history and fields -> one vector, the history's mean plus a perceptron over all."""

from torch import Tensor, nn

from harness.fields import Fields
from harness.lists import Lists
from methods.encoders.query import Inputs, QueryFeatures, mlp


class QueryTower(nn.Module):
    """Query -> vector: the history's mean plus a perceptron over history and fields."""

    def __init__(self, schema: Fields | None, dim: int, hidden: int, device: str) -> None:
        """Take names, kinds and sizes of the query side's fields."""
        super().__init__()
        self.features = QueryFeatures(schema, dim, device)
        self.tower = mlp(self.features.n_parts * dim, hidden, dim)

    def forward(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Tensor:
        """Return (n, dim); ``item_table`` is `ItemFeatures.history_table`."""
        return self.of_inputs(self.features.inputs(history, fields), item_table)

    def of_inputs(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return (n, dim) from what lies on the device already."""
        parts = self.features.of_inputs(inputs, item_table)
        vectors: Tensor = parts[:, 0] + self.tower(parts.flatten(1))
        return vectors

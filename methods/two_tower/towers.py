"""The two towers: query -> vector, item -> vector, scored by their inner product."""

import torch
from torch import Tensor, nn

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.batches import Batch
from methods.encoders.item import ItemFeatures
from methods.encoders.query import Inputs, QueryFeatures, mlp
from methods.negatives import Negatives
from methods.training import RankingModel


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


class TwoTowerModel(RankingModel):
    """score(q, i) = <query tower, item tower>.

    The query tower is `QueryTower`; the item tower adds a perceptron over id and fields to the id's
    vector, where items have fields.
    """

    def __init__(self, train: Interactions, dim: int, hidden: int, device: str) -> None:
        """Take sizes and fields from a training log."""
        super().__init__()
        self.dim = dim
        self.items = ItemFeatures(train, dim, device)
        self.query_tower = QueryTower(train.query_schema, dim, hidden, device)
        has_fields = self.items.width > dim
        self.item_tower: nn.Module | None = (
            mlp(self.items.width, hidden, dim) if has_fields else None
        )
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return (n, dim)."""
        features: Tensor = self.items(items)
        ids = features[:, : self.dim]
        return ids if self.item_tower is None else ids + self.item_tower(features)

    def catalogue_vectors(self) -> Tensor:
        """Return the vectors of all items, (n_items, dim)."""
        return self.item_vectors(self._all)

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`."""
        device = self._all.device
        vectors = self._vectors_of(batch)
        targets = self.item_vectors(torch.from_numpy(batch.targets).to(device))
        others = self.item_vectors(torch.from_numpy(negatives.items).to(device))
        return (vectors * targets).sum(1), vectors @ others.T, vectors.new_zeros(())

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return self._vectors_of(batch) @ self.catalogue_vectors().T

    def _vectors_of(self, batch: Batch) -> Tensor:
        table = self.items.history_table()
        vectors: Tensor = self.query_tower(batch.history, batch.fields, table)
        return vectors

"""The two towers: query -> vector, item -> vector, scored by their inner product."""

import torch
from torch import Tensor, nn

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.batches import Batch
from methods.encoders.item import ItemFeatures
from methods.encoders.query import QueryFeatures, mlp
from methods.negatives import Negatives
from methods.training import RankingModel


class TwoTowerModel(RankingModel):
    """score(q, i) = <query tower, item tower>.

    The query tower adds a perceptron over history and fields to the history's mean; the item tower
    adds one over id and fields to the id's vector, where items have fields.
    """

    def __init__(self, train: Interactions, dim: int, hidden: int, device: str) -> None:
        """Take sizes and fields from a training log."""
        super().__init__()
        self.dim = dim
        self.items = ItemFeatures(train, dim, device)
        self.query = QueryFeatures(train, dim, device)
        self.query_tower = mlp(self.query.n_parts * dim, hidden, dim)
        has_fields = self.items.width > dim
        self.item_tower: nn.Module | None = (
            mlp(self.items.width, hidden, dim) if has_fields else None
        )
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def query_vectors(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Tensor:
        """Return (n, dim); ``item_table`` is `ItemFeatures.history_table`."""
        parts = self.query(history, fields, item_table)
        vectors: Tensor = parts[:, 0] + self.query_tower(parts.flatten(1))
        return vectors

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
        return self.query_vectors(batch.history, batch.fields, self.items.history_table())

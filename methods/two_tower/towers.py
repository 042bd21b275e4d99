"""The two towers: query -> vector, item -> vector, scored by their inner product."""

import numpy as np
import torch
from torch import Tensor

from harness.interactions import Interactions
from methods.batches import Batch, Batches
from methods.encoders.item import ItemFeatures
from methods.encoders.item_tower import ItemTower
from methods.encoders.params import MEAN, EncoderParams
from methods.encoders.query_tower import QueryTower, TowerName
from methods.negatives import Negatives
from methods.training import RankingModel, TrainingParams

__all__ = ["QueryTower", "TwoTowerModel"]


class TwoTowerModel(RankingModel):
    """score(q, i) = <query tower, item tower>; see `QueryTower` and `ItemTower`.

    With the tower ``none`` it is <history's vector, id's vector>, ids' vectors being those that the
    history is made of, and fields of either side are left out.
    """

    def __init__(
        self,
        train: Interactions,
        dim: int,
        hidden: int,
        device: str,
        encoder: EncoderParams = MEAN,
        tower: TowerName = "mlp",
    ) -> None:
        """Take sizes and fields from a training log.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        encoder.check_order(train)
        self._encoder = encoder
        self.items = ItemFeatures(train, dim, device, with_fields=tower == "mlp")
        self.query_tower = QueryTower(train.query_schema, dim, hidden, device, encoder, tower)
        self.item_tower = ItemTower(self.items.width, dim, hidden)
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return (n, dim)."""
        vectors: Tensor = self.item_tower(self.items(items))
        return vectors

    def catalogue_vectors(self) -> Tensor:
        """Return the vectors of all items, (n_items, dim)."""
        return self.item_vectors(self._all)

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """See `RankingModel`; sequences where the encoder reads them."""
        return self._encoder.draw_batches(train, params, random)

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
        vectors: Tensor = self.query_tower(batch.history, batch.fields, table, batch.positions)
        return vectors

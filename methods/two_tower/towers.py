"""The two towers: query -> vector, item -> vector, scored by their inner product."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.interactions import Interactions
from methods.batches import Batch, Batches
from methods.encoders.item import ItemFeatures
from methods.encoders.item_tower import ItemTower
from methods.encoders.params import MEAN, EncoderParams
from methods.encoders.query_tower import QueryTower, TowerName
from methods.encoders.tensors import placed
from methods.negatives import Negatives
from methods.products import Vectors, products
from methods.training import RankingModel, TrainingParams
from methods.unit_rows import unit_rows

__all__ = ["QueryTower", "Similarity", "TwoTowerModel", "as_compared"]

Similarity = Literal["inner", "cosine"]


class TwoTowerModel(RankingModel):
    """score(q, i) = <query tower, item tower>; see `QueryTower` and `ItemTower`.

    With the tower ``none`` it is <history's vector, id's vector>, ids' vectors being those that the
    history is made of, and fields of either side are left out. With the similarity
    ``cosine`` both vectors are scaled to length 1.
    """

    def __init__(
        self,
        train: Interactions,
        dim: int,
        hidden: int,
        device: str,
        encoder: EncoderParams = MEAN,
        tower: TowerName = "mlp",
        similarity: Similarity = "inner",
    ) -> None:
        """Take sizes and fields from a training log.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        encoder.check_order(train)
        self._encoder, self.similarity = encoder, similarity
        self.items = ItemFeatures(
            train, dim, device, with_fields=tower == "mlp", init_std=encoder.init_std
        )
        self.query_tower = QueryTower(train.query_schema, dim, hidden, device, encoder, tower)
        self.item_tower = ItemTower(self.items.width, dim, hidden)
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return (n, dim)."""
        return as_compared(self.item_tower(self.items(items)), self.similarity)

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
        targets = self.item_vectors(placed(batch.targets, device))
        others = placed(negatives.items, device)
        scores = products(vectors, others, self.item_vectors)
        return (vectors * targets).sum(1), scores, vectors.new_zeros(())

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors:
        """See `RankingModel`."""
        device = self._all.device
        queries = self._vectors_of(batch)
        targets = self.item_vectors(placed(batch.targets, device))
        others = self.item_vectors(placed(negatives.items, device))
        return Vectors(queries, targets, others, queries.new_zeros(()))

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return self._vectors_of(batch) @ self.catalogue_vectors().T

    def _vectors_of(self, batch: Batch) -> Tensor:
        table = self.items.history_table()
        vectors = self.query_tower(batch.history, batch.fields, table, batch.positions)
        return as_compared(vectors, self.similarity)


def as_compared(vectors: Tensor, similarity: Similarity) -> Tensor:
    """Return vectors whose inner product is the similarity; one of length 0 stays."""
    return unit_rows(vectors) if similarity == "cosine" else vectors

"""The model: score(q, i) = interaction(query tower, item features)."""

import numpy as np
import torch
from torch import Tensor

from harness.interactions import Interactions
from methods.batches import Batch, Batches
from methods.encoders.item import ItemFeatures
from methods.encoders.params import MEAN, EncoderParams
from methods.encoders.query_tower import QueryTower
from methods.interactions.choice import make_interaction
from methods.interactions.interaction import Sides
from methods.negatives import Negatives
from methods.training import RankingModel, TrainingParams


class AllToAllModel(RankingModel):
    """An interaction of the query's vector and the item's features.

    The query's vector is that of the two towers. With the interaction ``dot`` the item's is too,
    and what is left between this and the two-tower model is the matrix P, which starts as the
    identity.
    """

    def __init__(
        self,
        train: Interactions,
        dim: int,
        hidden: int,
        interaction: str,
        device: str,
        encoder: EncoderParams = MEAN,
    ) -> None:
        """Take sizes and fields from a training log; ``hidden`` is of tower and interaction.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        encoder.check_order(train)
        self._encoder = encoder
        self.items = ItemFeatures(train, dim, device)
        self.query_tower = QueryTower(train.query_schema, dim, hidden, device, encoder)
        self.interaction = make_interaction(interaction, dim, self.items.width, hidden)
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def catalogue_sides(self) -> Sides:
        """Return what all items bring to the interaction."""
        return self._sides_of(self._all)

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """See `RankingModel`; sequences where the encoder reads them."""
        return self._encoder.draw_batches(train, params, random)

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`; nothing is added."""
        queries, device = self._sides_of_queries(batch), self._all.device
        targets = self._sides_of(torch.from_numpy(batch.targets).to(device))
        others = self._sides_of(torch.from_numpy(negatives.items).to(device))
        positive = self.interaction.own(queries, targets)
        return positive, self.interaction.pairs(queries, others), positive.new_zeros(())

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return self.interaction.pairs(self._sides_of_queries(batch), self.catalogue_sides())

    def _sides_of(self, items: Tensor) -> Sides:
        return self.interaction.of_items(self.items(items))

    def _sides_of_queries(self, batch: Batch) -> Sides:
        table = self.items.history_table()
        vectors = self.query_tower(batch.history, batch.fields, table, batch.positions)
        return self.interaction.of_tokens(vectors)

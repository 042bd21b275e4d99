"""The model: score(q, i) = interaction(query tower, item features)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from harness.interactions import Interactions
from methods.batches import Batch, Batches
from methods.encoders.item import ItemFeatures
from methods.encoders.params import MEAN, EncoderParams
from methods.encoders.query_tower import QueryTower
from methods.interactions.choice import make_interaction
from methods.interactions.interaction import Interaction, Sides, take
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
        interaction: str | Callable[[int], Interaction],
        device: str,
        encoder: EncoderParams = MEAN,
    ) -> None:
        """Take sizes and fields from a training log; ``hidden`` is of tower and interaction.

        ``interaction`` is a name, or makes one for item features of a width.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        encoder.check_order(train)
        self._encoder = encoder
        self.items = ItemFeatures(train, dim, device, init_std=encoder.init_std)
        self.query_tower = QueryTower(train.query_schema, dim, hidden, device, encoder)
        width = self.items.width
        self.interaction = (
            make_interaction(interaction, dim, width, hidden)
            if isinstance(interaction, str)
            else interaction(width)
        )
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
        positive = self.interaction.own(queries, targets)
        others = torch.from_numpy(negatives.items).to(device)
        if negatives.are_own:
            negative = self._own(queries, others)
        else:
            negative = self.interaction.pairs(queries, self._sides_of(others))
        return positive, negative, positive.new_zeros(())

    def _own(self, queries: Sides, items: Tensor) -> Tensor:
        """Return the scores of each query with items of its own, both (n, m)."""
        used, places = torch.unique(items, return_inverse=True)
        sides = take(self._sides_of(used), places.flatten())
        rows = torch.arange(len(items), device=items.device).repeat_interleave(items.shape[1])
        return self.interaction.own(take(queries, rows), sides).view(items.shape)

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return self.interaction.pairs(self._sides_of_queries(batch), self.catalogue_sides())

    def _sides_of(self, items: Tensor) -> Sides:
        return self.interaction.of_items(self.items(items))

    def _sides_of_queries(self, batch: Batch) -> Sides:
        table = self.items.history_table()
        vectors = self.query_tower(batch.history, batch.fields, table, batch.positions)
        return self.interaction.of_tokens(vectors)

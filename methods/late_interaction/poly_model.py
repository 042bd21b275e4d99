"""The model of the poly-encoder: m vectors of a query, one of an item, their score in training."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import IntArray
from methods.batches import Batch, Batches
from methods.encoders.item import ItemFeatures
from methods.encoders.item_tower import ItemTower
from methods.encoders.query import Inputs
from methods.late_interaction.poly import own_poly_scores, poly_scores
from methods.late_interaction.poly_params import PolyEncoderParams
from methods.late_interaction.query_tokens import QueryTokens
from methods.negatives import Negatives
from methods.products import Vectors
from methods.training import RankingModel, TrainingParams


class QueryCodes(nn.Module):
    """Query -> m vectors: each learned code attends over the query's tokens, (n, m, dim)."""

    def __init__(
        self, schema: Fields | None, params: PolyEncoderParams, device: str, *, ordered: bool
    ) -> None:
        """Take names and kinds of the query's fields."""
        super().__init__()
        self.tokens = QueryTokens(
            schema, params.dim, params.hidden, device, params, ordered=ordered, n_positions=None
        )
        codes = torch.randn(params.n_codes, params.dim) / math.sqrt(params.dim)
        self.codes = nn.Parameter(codes)

    def inputs(self, batch: Batch) -> Inputs:
        """Copy a batch to the device."""
        return self.tokens.features.inputs(batch.history, batch.fields, batch.positions)

    def forward(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return y_i = sum_l softmax_l(<code i, token l>) token l over the tokens that are there.

        A query's summary always is.
        """
        tokens = self.tokens(inputs, item_table)
        logits = tokens.vectors @ self.codes.T  # (n, L, m)
        logits = logits.masked_fill(~tokens.present[:, :, None], -torch.inf)
        weights = torch.softmax(logits, dim=1).to(tokens.vectors.dtype)
        vectors: Tensor = weights.transpose(1, 2) @ tokens.vectors
        return vectors


class PolyEncoderModel(RankingModel):
    """score(q, i) = <what the item attends to among the query's m vectors, the item's vector>."""

    def __init__(self, train: Interactions, params: PolyEncoderParams, device: str) -> None:
        """Take sizes and fields from a training log.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        params.check_order(train)
        self._params = params
        self.items = ItemFeatures(train, params.dim, device, init_std=params.init_std)
        self.item_tower = ItemTower(self.items.width, params.dim, params.hidden)
        self.queries = QueryCodes(train.query_schema, params, device, ordered=train.ordered)
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return (p, dim)."""
        vectors: Tensor = self.item_tower(self.items(items))
        return vectors

    def catalogue_vectors(self) -> Tensor:
        """Return the vectors of all items, (n_items, dim)."""
        return self.item_vectors(self._all)

    def query_vectors(self, batch: Batch) -> Tensor:
        """Return (n, m, dim)."""
        vectors: Tensor = self.queries(self.queries.inputs(batch), self.items.history_table())
        return vectors

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """See `RankingModel`; sequences where the encoder reads them."""
        return self._params.draw_batches(train, params, random)

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`; nothing is added."""
        queries = self.query_vectors(batch)
        targets = self.item_vectors(self._placed(batch.targets))
        positive = own_poly_scores(queries, targets[:, None])[:, 0]
        others = self._placed(negatives.items)
        if not negatives.are_own:
            return positive, poly_scores(queries, self.item_vectors(others)), positive.new_zeros(())
        used, places = torch.unique(others, return_inverse=True)  # places (n, p)
        own = functional.embedding(places, self.item_vectors(used))
        return positive, own_poly_scores(queries, own), positive.new_zeros(())

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors | None:
        """See `RankingModel`: where a query has one vector."""
        if self._params.n_codes > 1:
            return None
        queries = self.query_vectors(batch)[:, 0]
        targets = self.item_vectors(self._placed(batch.targets))
        others = self.item_vectors(self._placed(negatives.items))
        return Vectors(queries, targets, others, queries.new_zeros(()))

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return poly_scores(self.query_vectors(batch), self.catalogue_vectors())

    def _placed(self, items: IntArray) -> Tensor:
        return torch.from_numpy(items).to(self._all.device)

"""The model of MaxSim: tokens of queries and of items, and their score in training."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import IntArray
from methods.batches import Batch, Batches
from methods.encoders.query import Inputs
from methods.late_interaction.item_tokens import ItemTokens, first_coordinates
from methods.late_interaction.maxsim import maxsim, own_maxsim
from methods.late_interaction.maxsim_params import MaxSimParams, Similarity
from methods.late_interaction.query_tokens import QueryTokens
from methods.negatives import Negatives
from methods.products import Vectors
from methods.training import RankingModel, TrainingParams


class QuerySide(nn.Module):
    """Query -> tokens (n, L, token_dim) as they are compared; zeros where there is none."""

    def __init__(
        self, schema: Fields | None, params: MaxSimParams, device: str, *, ordered: bool
    ) -> None:
        """Take names and kinds of the query's fields."""
        super().__init__()
        self.tokens = QueryTokens(
            schema,
            params.dim,
            params.hidden,
            device,
            params,
            ordered=ordered,
            n_positions=params.query_tokens,
            summary=params.summary,
        )
        self.map = first_coordinates(params.dim, params.token_dim)
        self._similarity = params.similarity

    def inputs(self, batch: Batch) -> Inputs:
        """Copy a batch to the device."""
        return self.tokens.features.inputs(batch.history, batch.fields, batch.positions)

    def forward(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return the tokens; ``item_table`` is `ItemFeatures.history_table`."""
        return as_compared(self.map(self.tokens(inputs, item_table).vectors), self._similarity)


class MaxSimModel(RankingModel):
    """score(q, i) = sum over the query's tokens of the best match among the item's."""

    def __init__(self, train: Interactions, params: MaxSimParams, device: str) -> None:
        """Take sizes and fields from a training log.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        params.check_order(train)
        self._params = params
        self.items = ItemTokens(
            train, params.dim, params.token_dim, params.id_tokens, device, params.init_std
        )
        self.queries = QuerySide(train.query_schema, params, device, ordered=train.ordered)
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def item_tokens(self, items: Tensor) -> Tensor:
        """Return (m, S, token_dim) as they are compared."""
        return as_compared(self.items(items), self._params.similarity)

    def catalogue_tokens(self) -> Tensor:
        """Return the tokens of all items, (n_items, S, token_dim)."""
        return self.item_tokens(self._all)

    def query_tokens(self, batch: Batch) -> Tensor:
        """Return (n, L, token_dim), zeros where there is no token."""
        tokens: Tensor = self.queries(
            self.queries.inputs(batch), self.items.features.history_table()
        )
        return tokens

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """See `RankingModel`; sequences where the encoder reads them."""
        return self._params.draw_batches(train, params, random)

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`; nothing is added."""
        queries = self.query_tokens(batch)
        targets = self.item_tokens(self._placed(batch.targets))
        positive = own_maxsim(queries, targets[:, None])[:, 0]
        others = self._placed(negatives.items)
        if not negatives.are_own:
            return positive, maxsim(queries, self.item_tokens(others)), positive.new_zeros(())
        used, places = torch.unique(others, return_inverse=True)  # places (n, m)
        tokens = self.item_tokens(used)
        own = functional.embedding(places, tokens.flatten(1)).view(*places.shape, *tokens.shape[1:])
        return positive, own_maxsim(queries, own), positive.new_zeros(())

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors | None:
        """See `RankingModel`: where an item has one token, and a query is the sum of its own."""
        if self.items.n_tokens > 1:
            return None
        queries = self.query_tokens(batch).sum(dim=1)
        targets = self.item_tokens(self._placed(batch.targets))[:, 0]
        others = self.item_tokens(self._placed(negatives.items))[:, 0]
        return Vectors(queries, targets, others, queries.new_zeros(()))

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return maxsim(self.query_tokens(batch), self.catalogue_tokens())

    def _placed(self, items: IntArray) -> Tensor:
        return torch.from_numpy(items).to(self._all.device)


def as_compared(tokens: Tensor, similarity: Similarity) -> Tensor:
    """Return tokens whose inner product is the similarity; one of length 0 stays."""
    return functional.normalize(tokens, dim=-1) if similarity == "cosine" else tokens

"""The models: user and item vectors, scored by their inner product."""

from typing import Any

import torch
from torch import Tensor, nn

from harness.interactions import Interactions
from methods.batches import Batch
from methods.encoders.fields import INIT_STD
from methods.encoders.tensors import placed
from methods.matrix_factorisation.users import users_of
from methods.matrix_factorisation.vectors import (
    Askers,
    UserAndHistory,
    UserVectors,
)
from methods.negatives import Negatives
from methods.products import Vectors, products
from methods.seen import Seen, in_rising_order
from methods.training import RankingModel
from methods.unit_rows import unit_rows


class Factors(RankingModel):
    """<user vector, item vector>, as BPR-MF has it.

    ``l2`` times half the squared length of the vectors of an example (its user, its target, the
    mean of its negatives) is added to the loss.
    """

    def __init__(
        self,
        train: Interactions,
        encoder: UserVectors,
        l2: float,
        device: str,
        init_std: float = INIT_STD,
    ) -> None:
        """Take a log of `methods.matrix_factorisation.users.with_users`."""
        super().__init__()
        self.encoder, self._l2, self._device = encoder, l2, device
        self.items = nn.Embedding(train.n_items, encoder.users.embedding_dim)
        for table in (encoder.users, self.items):
            nn.init.normal_(table.weight, std=init_std)
        self._met = in_rising_order(train.events)
        self.to(device)

    def item_table(self) -> Tensor:
        """Return the vectors of items that a history is pooled from, (n_items, dim)."""
        return self.items.weight

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return the vectors of the given items, (n, dim)."""
        vectors: Tensor = self.items(items)
        return vectors

    def catalogue_vectors(self) -> Tensor:
        """Return the vectors of all items, (n_items, dim)."""
        return self.items.weight

    def served_encoder(self) -> UserVectors:
        """Return what encodes queries once training is over."""
        return self.encoder

    def seen_items(self, batch: Batch) -> Seen:
        """Return all that each example's user met in training."""
        return Seen.of_rows(self._met, users_of(batch))

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`."""
        queries = self._queries(batch)
        targets, others = self._targets(batch), self._to_device(negatives)
        negative = products(queries, others, self.item_vectors)
        return (queries * targets).sum(1), negative, self._penalty(batch, others)

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors | None:
        """See `RankingModel`."""
        others = self._to_device(negatives)
        all_of_them = negatives.are_catalogue  # without looking each up, and adding to each
        vectors = self.catalogue_vectors() if all_of_them else self.item_vectors(others)
        penalty = self._penalty(batch, others)
        return Vectors(self._queries(batch), self._targets(batch), vectors, penalty)

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return self._queries(batch) @ self.catalogue_vectors().T

    def _askers(self, batch: Batch) -> Askers:
        return Askers.of(users_of(batch), batch.history, self._device)

    def _queries(self, batch: Batch) -> Tensor:
        queries: Tensor = self.encoder(self._askers(batch), self.item_table())
        return queries

    def _targets(self, batch: Batch) -> Tensor:
        return self.item_vectors(placed(batch.targets, self._device))

    def _to_device(self, negatives: Negatives) -> Tensor:
        return placed(negatives.items, self._device)

    def _penalty(self, batch: Batch, negatives: Tensor) -> Tensor:
        if self._l2 == 0 or len(batch.targets) == 0:
            return self.items.weight.new_zeros(())
        users, targets = (placed(one, self._device) for one in (users_of(batch), batch.targets))
        drawn = ((self.encoder.users, users), (self.items, targets), (self.items, negatives))
        squared = [table(ids).square().sum() / ids.numel() for table, ids in drawn]
        return self._l2 / 2 * torch.stack(squared).sum()


class CosineFactors(Factors):
    """<h_u, e_i / |e_i|> (+ b_i): the cosine, as SimpleX has it.

    h_u is that of `methods.matrix_factorisation.vectors.UserAndHistory`. ``l2`` times half the
    squared length of all vectors, used by a step or not, is added to the loss of each step: a
    cosine does not feel it, but what is short turns further in a step of Adam.

    Where the encoder has ``bias``, so have the items: a last coordinate b_i, which stands against
    the encoder's 1. In training one more coordinate adds the user's bias and a common one.
    """

    encoder: UserAndHistory

    def __init__(
        self,
        train: Interactions,
        encoder: UserAndHistory,
        l2: float,
        device: str,
        init_std: float = INIT_STD,
        *,
        own_history_vectors: bool = False,
    ) -> None:
        """See `Factors`; ``own_history_vectors`` gives items of histories vectors of their own."""
        super().__init__(train, encoder, l2, device, init_std)
        self.history_items = self.item_biases = self.user_biases = None
        if own_history_vectors:
            self.history_items = nn.Embedding(*self.items.weight.shape)
            nn.init.normal_(self.history_items.weight, std=init_std)
        if encoder.bias:
            self.item_biases = nn.Embedding(train.n_items, 1)
            self.user_biases = nn.Embedding(train.n_users, 1)
            self.common_bias = nn.Parameter(torch.zeros(1))
            for biases in (self.item_biases, self.user_biases):
                nn.init.zeros_(biases.weight)
        self.to(device)

    def item_table(self) -> Tensor:
        """Return the vectors of items that a history is pooled from, (n_items, dim)."""
        table = self.items if self.history_items is None else self.history_items
        return table.weight

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return the vectors of the given items, of length 1, with their biases; (n, dim [+ 1])."""
        biases = None if self.item_biases is None else self.item_biases(items)
        return self._with_biases(self.items(items), biases)

    def catalogue_vectors(self) -> Tensor:
        """Return those of all items."""
        biases = None if self.item_biases is None else self.item_biases.weight
        return self._with_biases(self.items.weight, biases)

    def _with_biases(self, vectors: Tensor, biases: Tensor | None) -> Tensor:
        unit = unit_rows(vectors)
        if biases is None:
            return unit
        of_users = (unit.new_ones((len(unit), 1)),) if self.training else ()
        return torch.cat((unit, biases, *of_users), dim=1)

    def _queries(self, batch: Batch) -> Tensor:
        queries = super()._queries(batch)
        if self.user_biases is None or not self.training:
            return queries
        own = self.user_biases(placed(users_of(batch), self._device)) + self.common_bias
        return torch.cat((queries, own), dim=1)

    def _penalty(self, batch: Batch, negatives: Tensor) -> Tensor:
        if self._l2 == 0:
            return self.items.weight.new_zeros(())
        own, biases = (self.encoder.users, self.items), (self.item_biases, self.user_biases)
        tables = [one for one in (*own, self.history_items, *biases) if one is not None]
        lengths = [_squared_length(one.weight) for one in tables]
        return self._l2 / 2 * torch.stack(lengths).sum()


def _squared_length(table: Tensor) -> Tensor:
    """Return the sum of squares, a scalar, whose gradient is one pass over the table."""
    length: Tensor = _SquaredLength.apply(table)  # type: ignore[no-untyped-call]
    return length


class _SquaredLength(torch.autograd.Function):
    """See `_squared_length`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor) -> Tensor:
        ctx.save_for_backward(table)
        flat = table.flatten()
        return torch.dot(flat, flat)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (table,) = ctx.saved_tensors
        of_table: Tensor = table * (2 * gradients[0])
        return of_table

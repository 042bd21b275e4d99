"""What serves: the vectors of known users, and what a history says."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from harness.lists import IntArray, Lists
from methods.encoders.pooling import mean_of_bags
from methods.encoders.tensors import Bags, placed
from methods.matrix_factorisation.history_pooling import HistoryPooling, PoolingName
from methods.unit_rows import unit_rows


@dataclass(frozen=True, slots=True)
class Askers:
    """n queries as tensors on a device: users int64 (n,), -1 for an unknown one; histories."""

    users: Tensor
    history: Bags

    @classmethod
    def of(cls, users: IntArray, history: Lists, device: str) -> Self:
        """Copy to a device."""
        return cls(placed(users, device), Bags.of(history, device))

    @property
    def known(self) -> Tensor:
        """Return which users have a row in training, bool (n, 1)."""
        return (self.users >= 0)[:, None]


class UserVectors(nn.Module):
    """A known user's own vector; an unknown one's is the mean of its history's item vectors."""

    def __init__(self, n_users: int, dim: int) -> None:
        """Make room for the vectors, which a model or `load` fills."""
        super().__init__()
        self.users = nn.Embedding(n_users, dim)

    def forward(self, askers: Askers, item_table: Tensor) -> Tensor:
        """Return query vectors, (n, dim); ``item_table`` is (n_items, dim)."""
        own: Tensor = self.users(askers.users.clamp(min=0))
        return own if self.training else own_or_pooled(own, askers, item_table)


def own_or_pooled(own: Tensor, askers: Askers, item_table: Tensor) -> Tensor:
    """Return a known user's own vector, (n, dim), else its history's mean."""
    return torch.where(askers.known, own, mean_of_bags(askers.history, item_table))


class UserAndHistory(UserVectors):
    """normalise(g * e_u + (1 - g) * V p_u), p_u what `HistoryPooling` makes of the history.

    Of an unknown user e_u is zero; with g = 1, which leaves no history, it is V p_u. In training
    a share ``dropout`` of the coordinates of what is normalised is dropped. With ``bias`` a 1 is
    put behind them, which an item's bias stands against.
    """

    def __init__(
        self,
        n_users: int,
        dim: int,
        g: float,
        dropout: float = 0.0,
        pooling: PoolingName = "mean",
        *,
        bias: bool = False,
    ) -> None:
        """Take g, the weight of the user's own vector; V starts as the identity."""
        super().__init__(n_users, dim)
        self.g, self.dropout, self.bias = g, nn.Dropout(dropout), bias
        self.transform = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.transform.weight)
        self.pooling = HistoryPooling(dim, pooling)

    def forward(self, askers: Askers, item_table: Tensor) -> Tensor:
        """Return query vectors of length 1, (n, dim); zeros where nothing is known."""
        own = self.users(askers.users.clamp(min=0)) * askers.known
        if self.training and self.g == 1:
            return self._finished(own)
        pooled = self.transform(self.pooling(askers.history, own, item_table))
        share = torch.where(askers.known, 1 - self.g, 1.0)
        return self._finished(self.g * own + share * pooled)

    def _finished(self, vectors: Tensor) -> Tensor:
        dropped: Tensor = self.dropout(unit_rows(vectors))
        if not self.bias:
            return dropped
        return torch.cat((dropped, dropped.new_ones((len(dropped), 1))), dim=1)

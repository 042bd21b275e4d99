"""Interaction: what every scorer of (token, item) pairs offers to training and to the index."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

Sides = tuple[Tensor, ...]

START = 0.01  # scale of what stands beside a dot product when training begins: near nothing


class Interaction(nn.Module, ABC):
    """s(token, item), arranged so that what one side brings is computed once, not per pair.

    A side is a tuple of tensors whose first dimension counts tokens, or items. Scores are linear
    memory in pairs at best: callers block `pairs`, never the model.

    Attributes
    ----------
    is_product : whether s(token, item) is the inner product of the only tensors of both sides, the
        token's linear in the token.
    """

    is_product: ClassVar[bool] = False

    @abstractmethod
    def of_tokens(self, tokens: Tensor) -> Sides:
        """Return what tokens (n, D) bring."""

    @abstractmethod
    def of_items(self, features: Tensor) -> Sides:
        """Return what item features bring, (m, width); see `methods.encoders.item`."""

    @abstractmethod
    def pairs(self, tokens: Sides, items: Sides) -> Tensor:
        """Return the score of every token with every item, (n, m)."""

    @abstractmethod
    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return the score of each token with the item of the same row, (n,)."""

    def dot_side(self, side: Sides) -> Tensor | None:
        """Return a side's vectors in <P token, tower(item)>, (n, D), alone; None without that term.

        ``side`` is what tokens bring or what items bring.
        """
        return None


def take(sides: Sides, rows: Tensor | slice) -> Sides:
    """Return some rows of a side."""
    if isinstance(rows, slice):
        return tuple(one[rows] for one in sides)
    return tuple(one.index_select(0, rows) for one in sides)  # its gradient is cheaper than one[]

"""Dot product: the interaction of two towers, and the first term of every other one here."""

import torch
from torch import Tensor, nn

from methods.encoders.item_tower import ItemTower
from methods.interactions.interaction import Interaction, Sides


class Dot(Interaction):
    """s(token, item) = <P token, tower(item)>, P starting as the identity.

    With one token that is not quantised it is the two-tower model. With SparCode it separates the
    gain of many tokens from the gain of a richer interaction.
    """

    is_product = True

    def __init__(self, dim: int, item_width: int, hidden: int) -> None:
        """Take tokens of ``dim`` and item features of ``item_width``."""
        super().__init__()
        self.token = nn.Linear(dim, dim, bias=False)
        self.item = ItemTower(item_width, dim, hidden)
        with torch.no_grad():
            self.token.weight.copy_(torch.eye(dim))

    def of_tokens(self, tokens: Tensor) -> Sides:
        """Return vectors, ((n, D),)."""
        return (self.token(tokens),)

    def of_items(self, features: Tensor) -> Sides:
        """Return vectors, ((m, D),)."""
        return (self.item(features),)

    def dot_side(self, side: Sides) -> Tensor | None:
        """See `Interaction`."""
        return side[0]

    def pairs(self, tokens: Sides, items: Sides) -> Tensor:
        """Return inner products, (n, m)."""
        return tokens[0] @ items[0].T

    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return inner products, (n,)."""
        return (tokens[0] * items[0]).sum(-1)

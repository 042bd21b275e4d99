"""Perceptron on [token; item], its first layer split so that it is paid per side, not per pair."""

import math

import torch
from torch import Tensor, nn

from methods.interactions.dot import Dot
from methods.interactions.interaction import START, Interaction, Sides
from methods.interactions.split_mlp import split_mlp


class MLP(Interaction):
    """s(token, item) = sum_h w_h ReLU(W_c token + W_i item + v)_h + <P token, tower(item)>.

    The first term is the paper's perceptron on the concatenation. The second is ours: a perceptron
    learns an inner product only slowly (Rendle et al., RecSys 2020), and without fields most of
    what is to be learned is one. w starts near zero: training begins with the inner product.
    """

    def __init__(self, dim: int, item_width: int, hidden: int) -> None:
        """Take tokens of ``dim`` and item features of ``item_width``; H is ``hidden``."""
        super().__init__()
        self.dot = Dot(dim, item_width, hidden)
        self.token = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden))
        self.item = nn.Sequential(
            nn.LayerNorm(item_width), nn.Linear(item_width, hidden, bias=False)
        )
        self.weights = nn.Parameter(START * torch.randn(hidden) / math.sqrt(hidden))

    def of_tokens(self, tokens: Tensor) -> Sides:
        """Return hidden parts and vectors, ((n, H), (n, D))."""
        return (self.token(tokens), *self.dot.of_tokens(tokens))

    def of_items(self, features: Tensor) -> Sides:
        """Return hidden parts and vectors, ((m, H), (m, D))."""
        return (self.item(features), *self.dot.of_items(features))

    def dot_side(self, side: Sides) -> Tensor | None:
        """See `Interaction`."""
        return side[1]

    def pairs(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n, m)."""
        return split_mlp(tokens[0], items[0], self.weights) + tokens[1] @ items[1].T

    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n,)."""
        hidden = torch.relu(tokens[0] + items[0])
        scores: Tensor = hidden @ self.weights + (tokens[1] * items[1]).sum(-1)
        return scores

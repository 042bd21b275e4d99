"""Interaction: a score of (token, item), as rich as training affords, since it is never served."""

import math
from typing import Self

import torch
from torch import Tensor, nn

from methods.interactions.split_mlp import split_mlp


class TokenSide(nn.Module):
    """What a token brings to the interaction, apart from the item's side, which is pre-computed."""

    def __init__(self, dim: int, hidden: int) -> None:
        """Take tokens of ``dim``."""
        super().__init__()
        self.token_hidden = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden))
        self.token_dot = nn.Linear(dim, dim, bias=False)

    @classmethod
    def of(cls, interaction: "MLPInteraction") -> Self:
        """Copy the token's side of a trained interaction."""
        hidden = interaction.weights.numel()
        side = cls(interaction.token_dot.in_features, hidden).to(interaction.weights.device)
        side.token_hidden.load_state_dict(interaction.token_hidden.state_dict())
        side.token_dot.load_state_dict(interaction.token_dot.state_dict())
        return side

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (..., H) and (..., D)."""
        return self.token_hidden(tokens), self.token_dot(tokens)


class MLPInteraction(nn.Module):
    """s(token, item) = sum_h w_h ReLU(W_c token + W_i item + v)_h + <P token, Q item>.

    The first term is the paper's perceptron on the concatenation, with its first layer split so
    that it is paid per token and per item, not per pair. The second is ours: a perceptron learns
    an inner product only slowly (Rendle et al., RecSys 2020), and without fields most of what is
    to be learned is one. All tokens share one interaction.
    """

    def __init__(self, dim: int, item_width: int, hidden: int) -> None:
        """Take tokens of ``dim`` and item features of ``item_width``."""
        super().__init__()
        self.token_hidden = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden))
        self.item_hidden = nn.Sequential(
            nn.LayerNorm(item_width), nn.Linear(item_width, hidden, bias=False)
        )
        self.weights = nn.Parameter(torch.randn(hidden) / math.sqrt(hidden))
        self.token_dot = nn.Linear(dim, dim, bias=False)
        self.item_dot = nn.Linear(item_width, dim, bias=False)
        with torch.no_grad():  # starts as the inner product of token and item id
            self.token_dot.weight.copy_(torch.eye(dim))
            self.item_dot.weight.zero_()
            self.item_dot.weight[:, :dim] = torch.eye(dim)

    def sides_of_tokens(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a token brings, (..., H) and (..., D)."""
        return self.token_hidden(tokens), self.token_dot(tokens)

    def sides_of_items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return what an item's features bring, (n, H) and (n, D)."""
        return self.item_hidden(items), self.item_dot(items)

    def all_pairs(self, tokens: Tensor, items: Tensor) -> Tensor:
        """Score tokens (n, K, dim) with items (m, width): (n, K, m)."""
        token_hidden, token_dot = self.sides_of_tokens(tokens.flatten(0, 1))
        item_hidden, item_dot = self.sides_of_items(items)
        scores = split_mlp(token_hidden, item_hidden, self.weights) + token_dot @ item_dot.T
        return scores.reshape(*tokens.shape[:2], len(items))

    def own_pairs(self, tokens: Tensor, items: Tensor) -> Tensor:
        """Score tokens (n, K, dim), each row with its own item (n, width): (n, K)."""
        token_hidden, token_dot = self.sides_of_tokens(tokens)
        item_hidden, item_dot = self.sides_of_items(items)
        hidden = torch.relu(token_hidden + item_hidden[:, None])
        scores: Tensor = hidden @ self.weights + (token_dot * item_dot[:, None]).sum(-1)
        return scores

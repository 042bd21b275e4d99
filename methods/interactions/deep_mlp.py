"""Deep perceptron on [token; item]: the first layer split, the further ones paid per pair."""

import math

import torch
from torch import Tensor, nn

from methods.interactions.blocks import in_blocks
from methods.interactions.dot import Dot
from methods.interactions.interaction import START, Interaction, Sides


class DeepMLP(Interaction):
    """Score = <w, h_L> + <P token, tower(item)>, L = ``depth`` hidden layers.

    h_1 = ReLU(W_c token + W_i item + v_1), h_l = ReLU(W_l h_(l-1) + v_l)

    The perceptron is the paper's form, three layers of ``hidden`` unless said otherwise. The split
    of its first layer is exact: W_c and W_i are two blocks of columns of one matrix. The further
    layers cost (depth - 1) * H^2 multiplications a pair; no algebra takes that away. Ours are the
    layer norms and the inner product beside it, see `methods.interactions.mlp`; w starts near zero,
    so that training begins with the inner product.
    """

    def __init__(self, dim: int, item_width: int, hidden: int, *, depth: int = 3) -> None:
        """Take tokens of ``dim`` and item features of ``item_width``; H is ``hidden``.

        Raises
        ------
        ValueError
            ``depth``, the number of hidden layers, is below 1.
        """
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth = {depth} must be at least 1")
        self.dot = Dot(dim, item_width, hidden)
        self.token = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden))
        self.item = nn.Sequential(
            nn.LayerNorm(item_width), nn.Linear(item_width, hidden, bias=False)
        )
        self.layers = nn.ModuleList(_layer(hidden) for _ in range(depth - 1))
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
        """Return scores, (n, m); the perceptron's in blocks."""
        per_pair = self.weights.numel() * (1 + len(self.layers))
        deep = in_blocks(self._block, tokens[:1], items[:1], per_pair)
        return deep + tokens[1] @ items[1].T

    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n,)."""
        return self._deep(tokens[0] + items[0]) + (tokens[1] * items[1]).sum(-1)

    def _block(self, tokens: Sides, items: Sides) -> Tensor:
        first = tokens[0][:, None] + items[0]  # (r, c, H)
        return self._deep(first.flatten(0, 1)).view(first.shape[:2])

    def _deep(self, first: Tensor) -> Tensor:
        """Return the perceptron's score from its first layer's sums, (n, H) -> (n,)."""
        hidden = first.relu_()
        for layer in self.layers:
            hidden = layer(hidden).relu_()
        return hidden @ self.weights


def _layer(hidden: int) -> nn.Linear:
    layer = nn.Linear(hidden, hidden)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer

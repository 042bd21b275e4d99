"""Mixture of logits: several inner products of a token and an item, weighed by a learned gate."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.interactions.blocks import in_blocks
from methods.interactions.dot import Dot
from methods.interactions.interaction import START, Interaction, Sides

TEMPERATURE = 0.05


class MixtureOfLogits(Interaction):
    """Score = scale * mixture(token, item) + <P token, tower(item)>.

    mixture = sum_p pi_p(token, item) <f_p(token), g_p(item)> / temperature

    The components p are the pairs of ``token_parts`` vectors of the token and ``item_parts`` of the
    item, each ``hidden`` long and of length 1. The gate is pi = softmax_p(a_p(token) * b_p(item) +
    c_p(logits)): a and b are perceptrons of one side, c one of the components' inner products. That
    the gate sees token, item and logits is the paper's; how it joins them, the perceptrons' sizes
    and their SiLU are ours. With n_p components a pair costs n_p (hidden + 2 n_p) multiplications.

    Ours too is the inner product beside, with a learned ``scale`` that starts near zero; ``plain``
    leaves both out.

    References
    ----------
    Zhai et al., "Revisiting Neural Retrieval on Accelerators", KDD 2023. Ding and Zhai, "Retrieval
    with Learned Similarities", WWW 2025.
    """

    def __init__(
        self,
        dim: int,
        item_width: int,
        hidden: int,
        *,
        token_parts: int = 4,
        item_parts: int = 4,
        plain: bool = False,
        temperature: float = TEMPERATURE,
    ) -> None:
        """Take tokens of ``dim`` and item features of ``item_width``."""
        super().__init__()
        self.hidden, self.n_components = hidden, token_parts * item_parts
        self.temperature = temperature
        self.dot = None if plain else Dot(dim, item_width, hidden)
        self.scale = None if plain else nn.Parameter(torch.tensor(START))
        self.token = nn.Linear(dim, token_parts * hidden, bias=False)
        self.item = nn.Linear(item_width, item_parts * hidden, bias=False)
        self.token_gate = self._gate(dim)
        self.item_gate = self._gate(item_width)
        self.gate_in, self.gate_out = (
            nn.Linear(self.n_components, self.n_components) for _ in range(2)
        )

    def of_tokens(self, tokens: Tensor) -> Sides:
        """Return components (n, token_parts, hidden), the gate's (n, n_p), vectors (n, D)."""
        rest = () if self.dot is None else self.dot.of_tokens(tokens)
        return (self._components(self.token(tokens)), self.token_gate(tokens), *rest)

    def of_items(self, features: Tensor) -> Sides:
        """Return components (m, item_parts, hidden), the gate's (m, n_p), vectors (m, D)."""
        rest = () if self.dot is None else self.dot.of_items(features)
        return (self._components(self.item(features)), self.item_gate(features), *rest)

    def dot_side(self, side: Sides) -> Tensor | None:
        """See `Interaction`."""
        return None if self.dot is None else side[2]

    def pairs(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n, m); the mixture's in blocks."""
        mixed = in_blocks(self._block, tokens[:2], items[:2], 6 * self.n_components)
        return mixed if self.scale is None else self.scale * mixed + tokens[2] @ items[2].T

    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n,)."""
        cosines = (tokens[0] @ items[0].transpose(1, 2)).flatten(1)  # (n, n_p)
        mixed = self.mixture(cosines.T, (tokens[1] * items[1]).T)
        return mixed if self.scale is None else self.scale * mixed + (tokens[2] * items[2]).sum(1)

    def cosines(self, tokens: Sides, items: Sides) -> Tensor:
        """Return the components' inner products of every pair, (n_p, n, m); of cosines, in -1..1.

        Component p is part p // item_parts of the token and part p % item_parts of the item.
        """
        left, right = (one[0].transpose(0, 1) for one in (tokens, items))  # (parts, n or m, hidden)
        products = left.flatten(0, 1) @ right.flatten(0, 1).T
        shape = (*left.shape[:2], *right.shape[:2])
        return products.view(shape).transpose(1, 2).flatten(0, 1)

    def mixture(self, cosines: Tensor, gate: Tensor) -> Tensor:
        """Return the mixture from inner products and the sides' part of the gate, (n_p, n)."""
        hidden = functional.silu(_through(self.gate_in, cosines))
        logits = _through(self.gate_out, hidden) + gate
        return (torch.softmax(logits, 0) * cosines).sum(0) / self.temperature

    def _gate(self, n_in: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(n_in, self.hidden), nn.SiLU(), nn.Linear(self.hidden, self.n_components)
        )

    def _components(self, projected: Tensor) -> Tensor:
        n_parts = projected.shape[1] // self.hidden
        return functional.normalize(projected.view(-1, n_parts, self.hidden), dim=2)

    def _block(self, tokens: Sides, items: Sides) -> Tensor:
        cosines = self.cosines(tokens, items)
        gate = tokens[1].T[:, :, None] * items[1].T[:, None]
        return self.mixture(cosines.flatten(1), gate.flatten(1)).view(cosines.shape[1:])


def _through(layer: nn.Linear, columns: Tensor) -> Tensor:
    """Return what the layer makes of each column, (n_in, n) -> (n_out, n)."""
    return torch.addmm(layer.bias[:, None], layer.weight, columns)

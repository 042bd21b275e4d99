"""Quantizer: tokens -> the nearest of product-quantised codes, one or several, with weights."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.sparcode.model.codebooks import Codebooks
from methods.sparcode.model.nearest import nearest_codes
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.model.straight_through import rotated, straight


class Assigned(NamedTuple):
    """The codes of tokens.

    ``codes`` int64 (n, K, J): composite numbers below N^M of the J nearest codes, nearest first.
    ``weights`` (n, K, J), of a token summing to 1, with gradient. ``vectors`` (n, K, J, D): the
    codes' vectors, with the gradient that the settings say. ``commitment``: mean squared distance
    of tokens to their nearest codes.
    """

    codes: Tensor
    weights: Tensor
    vectors: Tensor
    commitment: Tensor


class Quantizer(Codebooks):
    """Each of K tokens becomes its J nearest of N^M codes.

    A token is split into M parts; a code is a tuple of M codewords, one of N for each part, and the
    squared distance to a code is the sum over its parts, so the J nearest codes are found exactly
    among the J nearest codewords of each part. Weights are a softmax over minus the squared
    distance, divided by a temperature that is learned from a start in units of the mean distance.
    With J = 1 it is the paper's quantiser.

    Codewords follow the parts assigned to them by exponential averages, and tokens follow by the
    commitment loss and a gradient that is passed through (straight, or rotated); or codewords are
    parameters like any other. The paper shares the M codebooks among all tokens; by default ours
    are per token, for tokens of unlike sources lie in unlike places. With a residual tokenizer each
    token encodes what the codes of the tokens before it left over.

    References
    ----------
    Su et al., SIGIR 2023, section on the quantiser; van den Oord et al., NeurIPS 2017, appendix A.1
    for averages; Jégou et al., TPAMI 2011, for product codes; Fifty et al., ICLR 2025, for the
    rotated gradient. Several codes with weights, codebooks per token, the k-means start: ours.
    """

    def __init__(self, n_tokens: int, settings: ModelSettings) -> None:
        """Start with empty codebooks; `methods.sparcode.model.upkeep.fit_codebooks` fills them."""
        super().__init__(n_tokens, settings)
        self.is_residual = settings.tokenizer == "residual"
        self.log_temperature = nn.Parameter(torch.zeros(self.n_books))

    def forward(self, tokens: Tensor) -> Assigned:
        """Assign tokens (n, K, D), in float32 or finer whatever autocast; averages follow training.

        The codes of training are then those that serving gives.
        """
        if tokens.dtype == torch.bfloat16:
            tokens = tokens.float()
        with torch.autocast(tokens.device.type, enabled=False):
            return self._assign_all(tokens)

    def _assign_all(self, tokens: Tensor) -> Assigned:
        if not self.is_residual:
            return self._assign(tokens, torch.arange(self.n_tokens, device=tokens.device))
        levels, left = [], tokens[:, :1]
        for level in range(self.n_tokens):
            found = self._assign(left, torch.tensor([level], device=tokens.device))
            levels.append(found)
            left = left - _mean(found).detach()
        return Assigned(
            torch.cat([one.codes for one in levels], dim=1),
            torch.cat([one.weights for one in levels], dim=1),
            torch.cat([one.vectors for one in levels], dim=1),
            torch.stack([one.commitment for one in levels]).mean(),
        )

    def _assign(self, tokens: Tensor, which: Tensor) -> Assigned:
        books = self.books_of(which)
        parts = self.split(tokens)
        digits, _ = nearest_codes(
            parts.detach(),
            self.codebooks[books].detach(),
            self.settings.n_nearest,
            self._noise(books),
        )
        chosen = self.look_up(digits, books)  # (n, K, J, D)
        if self.training:
            self.follow(parts.detach(), digits[:, :, 0], books)
        gaps = ((tokens.unsqueeze(2) - chosen) ** 2).sum(-1)
        scale = self.log_temperature[books].exp().view(1, -1, 1)
        weights = torch.softmax(-gaps / scale.clamp_min(1e-12), dim=-1)
        commitment = ((tokens - chosen[:, :, 0].detach()) ** 2).mean()
        return Assigned(self.composite(digits), weights, self._passed(tokens, chosen), commitment)

    def _passed(self, tokens: Tensor, chosen: Tensor) -> Tensor:
        """Return the chosen vectors with the gradient of the settings."""
        if self.settings.gradient == "weights":
            return chosen
        through = straight if self.settings.gradient == "straight_through" else rotated
        return through(tokens.unsqueeze(2).expand_as(chosen), chosen)

    def _noise(self, books: Tensor) -> Tensor | None:
        """Return the scale of Gumbel noise on minus squared distances, (K,), or None."""
        if not self.training or self.settings.gumbel == 0.0:
            return None
        return self.settings.gumbel * self.log_temperature[books].detach().exp()

    def left_over(self, tokens: Tensor, level: int) -> Tensor:
        """Return what the codes of a residual level leave over of (n, 1, D); else the tokens."""
        if not self.is_residual:
            return tokens
        was_training = self.training
        self.eval()  # no average moves, no noise
        found = self._assign(tokens, torch.tensor([level], device=tokens.device))
        self.train(was_training)
        return tokens - _mean(found)


def _mean(found: Assigned) -> Tensor:
    """Return the weighted mean of each token's codes, (n, K, D)."""
    return (found.weights.unsqueeze(-1) * found.vectors).sum(2)

"""Quantizer: tokens -> product-quantised codes, with codebooks that follow the tokens."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

RESTART_BELOW = 0.1  # of the mean use of a codeword: one used less is dead
SAME = 1e-5  # of the mean length of a codebook's words: words no further apart are one
FAR = 1e6  # in every coordinate: where no token is


class Quantized(NamedTuple):
    """What quantisation gives.

    ``vectors`` (n, K, D): the codewords, with the gradient of the tokens (straight through).
    ``codes`` int64 (n, K, M). ``commitment``: mean squared distance of tokens to their codewords.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class ProductQuantizer(nn.Module):
    """Each of K tokens is split into M parts; part m becomes the nearest of N codewords.

    A code is the tuple of M codewords. Codebooks move by exponential averages of the parts assigned
    to them, the tokens by the commitment loss and the straight-through gradient. The paper shares
    M codebooks among all tokens; ours are per token, for tokens of unlike sources (a field, the
    history) lie in unlike places.

    References
    ----------
    Su et al., SIGIR 2023, section on the quantiser; van den Oord et al., NeurIPS 2017, appendix A.1
    for averages; Jégou et al., TPAMI 2011, for product codes.
    """

    codebooks: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(
        self, n_tokens: int, dim: int, n_parts: int, n_codewords: int, decay: float
    ) -> None:
        """Start with empty codebooks; `fit_codebooks` fills them."""
        super().__init__()
        self.n_parts, self.n_codewords, self.decay = n_parts, n_codewords, decay
        shape = (n_tokens, n_parts, n_codewords)
        self.register_buffer("codebooks", torch.zeros(*shape, dim // n_parts))
        self.register_buffer("counts", torch.zeros(*shape))
        self.register_buffer("sums", torch.zeros(*shape, dim // n_parts))

    def forward(self, tokens: Tensor) -> Quantized:
        """Quantise (n, K, D) in float32, whatever autocast; in training the codebooks follow."""
        tokens = tokens.float()
        parts = self.split(tokens)
        with torch.autocast(tokens.device.type, enabled=False):  # the codes that serving gives
            codes = self.nearest(parts.detach())
        chosen = self.look_up(codes)
        if self.training:
            self.follow(parts.detach(), codes)
        vectors = tokens + (chosen - tokens).detach()
        return Quantized(vectors, codes, ((tokens - chosen.detach()) ** 2).mean())

    def split(self, tokens: Tensor) -> Tensor:
        """Return the M parts of tokens (n, K, D), (n, K, M, D / M)."""
        return tokens.reshape(*tokens.shape[:2], self.n_parts, self.codebooks.shape[-1])

    def snap(self, tokens: Tensor) -> Tensor:
        """Return the codewords nearest to tokens (n, K, D), without gradient; nothing follows."""
        return self.look_up(self.nearest(self.split(tokens.detach())))

    def nearest(self, parts: Tensor) -> Tensor:
        """Return the nearest codeword of each part by squared L2, int64 (n, K, M).

        |x - c|^2 = |x|^2 - 2 <x, c> + |c|^2, of which the first term does not matter.
        """
        cross = torch.einsum("nkmd,kmjd->nkmj", parts, self.codebooks)  # (n, K, M, N)
        return ((self.codebooks**2).sum(-1) - 2 * cross).argmin(dim=-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors of codes (n, K, M), (n, K, D)."""
        token, part = self._grid(codes)
        return self.codebooks[token, part, codes].flatten(2)

    def follow(self, parts: Tensor, codes: Tensor) -> None:
        """Move the averages of counts and sums by one step, and the codewords with them."""
        counts, sums = self._totals(parts, codes)
        self.counts.mul_(self.decay).add_(counts, alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(sums, alpha=1 - self.decay)
        used = self.counts > 1e-8
        means = self.sums / self.counts.clamp_min(1e-8).unsqueeze(-1)
        self.codebooks.copy_(torch.where(used.unsqueeze(-1), means, self.codebooks))

    def fit_codebooks(self, tokens: Tensor, n_iterations: int = 10) -> None:
        """Set the codebooks by k-means on tokens (n, K, D), from spread-out starts."""
        parts = self.split(tokens.detach())
        self.codebooks.copy_(_spread_starts(parts, self.n_codewords))
        for _ in range(n_iterations):
            counts, sums = self._totals(parts, self.nearest(parts))
            means = sums / counts.clamp_min(1).unsqueeze(-1)
            self.codebooks.copy_(torch.where((counts > 0).unsqueeze(-1), means, self.codebooks))
        counts, sums = self._totals(parts, self.nearest(parts))
        self.counts.copy_(counts / len(tokens))
        self.sums.copy_(sums / len(tokens))

    def restart_dead(self, tokens: Tensor) -> int:
        """Move codewords that are hardly used to tokens drawn from (n, K, D); return how many."""
        parts = self.split(tokens.detach())
        share = self.counts / self.counts.sum(-1, keepdim=True).clamp_min(1e-8)
        token, part, word = torch.nonzero(share < RESTART_BELOW / self.n_codewords, as_tuple=True)
        rows = torch.randint(len(parts), (token.numel(),), device=parts.device)
        fresh = parts[rows, token, part]
        weight = self.counts.sum(-1)[token, part] / self.n_codewords
        self.codebooks[token, part, word] = fresh
        self.counts[token, part, word] = weight
        self.sums[token, part, word] = fresh * weight.unsqueeze(-1)
        return int(token.numel())

    def retire_duplicates(self) -> None:
        """Put codewords out of reach that repeat an earlier one of their codebook.

        A field of few values leaves most of its codewords at the same few places. Which of two
        equal ones is nearest would be for rounding to say, and a code that no training query had
        has no list.
        """
        gaps = torch.cdist(self.codebooks, self.codebooks)  # (K, M, N, N)
        scale = self.codebooks.norm(dim=-1).mean(dim=-1)[..., None, None]
        self.codebooks[(gaps <= SAME * scale).tril(-1).any(-1)] = FAR

    def composite(self, codes: Tensor) -> Tensor:
        """Return one number per code, int64 (n, K): token * N^M + the parts' digits in base N."""
        number = torch.arange(codes.shape[1], device=codes.device).expand(codes.shape[:2])
        for part in range(self.n_parts):
            number = number * self.n_codewords + codes[:, :, part]
        return number

    def _totals(self, parts: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return how often each codeword is used, (K, M, N), and the sum of what uses it.

        By `index_add_`, which adds in order on the CPU: `index_put_` adds in whatever order its
        threads come, and training would not be the same twice.
        """
        token, part = self._grid(codes)
        place = ((token * codes.shape[2] + part) * self.n_codewords + codes).flatten()
        counts, sums = torch.zeros_like(self.counts), torch.zeros_like(self.sums)
        counts.view(-1).index_add_(0, place, torch.ones_like(parts[..., 0]).flatten())
        width = parts.shape[-1]
        sums.view(-1, width).index_add_(0, place, parts.reshape(-1, width))
        return counts, sums

    def _grid(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        _, n_tokens, n_parts = codes.shape
        token = torch.arange(n_tokens, device=codes.device).view(1, -1, 1).expand(codes.shape)
        part = torch.arange(n_parts, device=codes.device).view(1, 1, -1).expand(codes.shape)
        return token, part


def _spread_starts(parts: Tensor, n_codewords: int) -> Tensor:
    """Choose starting codewords among (n, K, M, d), each by lot weighted by squared distance.

    Arthur and Vassilvitskii, SODA 2007 (k-means++). Returns (K, M, n_codewords, d).
    """
    points = parts.permute(1, 2, 0, 3)  # (K, M, n, d)
    n_tokens, n_parts, n, _ = points.shape
    first = torch.randint(n, (n_tokens, n_parts, 1), device=points.device)
    chosen = [_pick(points, first)]
    distance = ((points - chosen[0]) ** 2).sum(-1)  # (K, M, n)
    for _ in range(n_codewords - 1):
        weights = (distance + 1e-12).flatten(0, 1)
        index = torch.multinomial(weights, 1).view(n_tokens, n_parts, 1)
        chosen.append(_pick(points, index))
        distance = torch.minimum(distance, ((points - chosen[-1]) ** 2).sum(-1))
    return torch.cat(chosen, dim=2)


def _pick(points: Tensor, index: Tensor) -> Tensor:
    return points.gather(2, index.unsqueeze(-1).expand(-1, -1, -1, points.shape[-1]))

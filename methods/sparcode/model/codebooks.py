"""Codebooks: codewords, the vectors of codes, and the averages that follow what codewords get."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from methods.sparcode.model.repeats import repeats
from methods.sparcode.model.settings import ModelSettings

RESTART_BELOW = 0.1  # of the mean use of a codeword: one used less is dead
SAME = 1e-5  # of the mean length of a codebook's words: words no further apart are one
FAR = 1e6  # in every coordinate: where no token is


class Codebooks(nn.Module):
    """M times N codewords of a codebook; a code is a tuple of M of them, numbered in base N.

    Codewords follow the parts assigned to them by exponential averages, or are parameters like any
    other. Averages are of a step: ``counts`` (K, M, N) are how many tokens of a step are nearest to
    each codeword, ``sums`` (K, M, N, d) those tokens' sum.
    """

    codebooks: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, n_tokens: int, settings: ModelSettings) -> None:
        """Start with empty codebooks: one, or one per token."""
        super().__init__()
        one = settings
        self.n_tokens, self.settings = n_tokens, settings
        self.n_books = min(n_tokens, 1) if one.shared_codebooks else n_tokens
        shape = (self.n_books, one.n_parts, one.n_codewords)
        books = torch.zeros(*shape, one.dim // one.n_parts)
        if one.codebooks == "gradient":
            self.codebooks = nn.Parameter(books)
        else:
            self.register_buffer("codebooks", books)
        self.register_buffer("counts", torch.zeros(*shape))
        self.register_buffer("sums", torch.zeros_like(books))

    @property
    def n_codes(self) -> int:
        """Return N^M, the codes of one codebook."""
        return int(self.settings.n_codewords**self.settings.n_parts)

    def books_of(self, which: Tensor) -> Tensor:
        """Return the codebook of each token."""
        return torch.zeros_like(which) if self.settings.shared_codebooks else which

    def split(self, tokens: Tensor) -> Tensor:
        """Return the M parts of tokens (n, K, D), (n, K, M, D / M)."""
        n_parts = self.settings.n_parts
        return tokens.reshape(*tokens.shape[:2], n_parts, tokens.shape[2] // n_parts)

    def look_up(self, digits: Tensor, books: Tensor) -> Tensor:
        """Return the vectors of digits (n, K, J, M) in the books (K,), (n, K, J, D)."""
        part = torch.arange(digits.shape[3], device=digits.device)
        return self.codebooks[books.view(1, -1, 1, 1), part, digits].flatten(3)

    def vectors(self, book: int, codes: Tensor) -> Tensor:
        """Return the vectors of composite numbers (u,) of one codebook, (u, D)."""
        digits = torch.stack(self._digits(codes), dim=-1)  # (u, M)
        return self.look_up(digits[:, None, None], codes.new_tensor([book])).flatten(1)

    def composite(self, digits: Tensor) -> Tensor:
        """Return one number per code, int64 (n, K, J), from digits (n, K, J, M) in base N."""
        number = digits[..., 0]
        for part in range(1, self.settings.n_parts):
            number = number * self.settings.n_codewords + digits[..., part]
        return number

    def _digits(self, codes: Tensor) -> list[Tensor]:
        found, rest = [], codes
        for _ in range(self.settings.n_parts):
            found.append(rest % self.settings.n_codewords)
            rest = rest // self.settings.n_codewords
        return found[::-1]

    @torch.no_grad()
    def follow(self, parts: Tensor, digits: Tensor, books: Tensor) -> None:
        """Move averages of counts and sums by one step, and with them the codewords.

        ``parts`` (n, K, M, d), ``digits`` (n, K, M) of the nearest codes, ``books`` (K,).
        """
        counts, sums = self._totals(parts, digits, books)
        decay = self.settings.decay
        seen = torch.zeros(self.n_books, device=parts.device)
        seen[books] = 1.0  # a residual level moves only its own averages
        step = ((1 - decay) * seen).view(-1, 1, 1)
        self.counts.add_(step * (counts - self.counts))
        self.sums.add_(step.unsqueeze(-1) * (sums - self.sums))
        if self.settings.codebooks == "averages":
            used = (self.counts > 1e-8) & (step > 0)
            means = self.sums / self.counts.clamp_min(1e-8).unsqueeze(-1)
            self.codebooks.copy_(torch.where(used.unsqueeze(-1), means, self.codebooks))

    def _totals(self, parts: Tensor, digits: Tensor, books: Tensor) -> tuple[Tensor, Tensor]:
        """Return how often each codeword is used, (K, M, N), and the sum of what uses it.

        By `index_add_`, which adds in order on the CPU: `index_put_` adds in whatever order its
        threads come, and training would not be the same twice.
        """
        n_parts, n_words = self.settings.n_parts, self.settings.n_codewords
        part = torch.arange(n_parts, device=parts.device)
        place = ((books.view(1, -1, 1) * n_parts + part) * n_words + digits).flatten()
        counts, sums = torch.zeros_like(self.counts), torch.zeros_like(self.sums)
        counts.view(-1).index_add_(0, place, torch.ones_like(place, dtype=counts.dtype))
        width = parts.shape[-1]
        sums.view(-1, width).index_add_(0, place, parts.reshape(-1, width).to(sums.dtype))
        return counts, sums

    @property
    def is_dead(self) -> Tensor:
        """Return which codewords are hardly used, bool (K, M, N)."""
        return self._share < RESTART_BELOW / self.settings.n_codewords

    @property
    def _share(self) -> Tensor:
        return self.counts / self.counts.sum(-1, keepdim=True).clamp_min(1e-8)

    def health(self) -> tuple[float, float]:
        """Return codewords in use and their perplexity, means over codebooks and parts."""
        share, used = self._share, (~self.is_dead).sum(-1).float().mean()
        entropy = -(share * share.clamp_min(1e-30).log()).sum(-1)
        return float(used), float(entropy.exp().mean())

    @torch.no_grad()
    def retire_duplicates(self) -> None:
        """Put codewords out of reach that repeat an earlier one of their codebook.

        Which of two equal ones is nearest would be for rounding to say.
        """
        for words in self.codebooks.data.flatten(0, 1):  # of each part of each codebook (N, d)
            scale = float(words.double().norm(dim=-1).mean())
            found = repeats(words.cpu().numpy(), SAME * scale)
            words[torch.from_numpy(found).to(words.device)] = FAR

    @property
    def retired(self) -> npt.NDArray[np.bool_]:
        """Return which codes are out of reach, bool (n_books * N^M,): they are of no token's near.

        Where fewer codes than J are left they are among the J nearest all the same, with weight 0.
        """
        words = (self.codebooks.detach() >= FAR).any(-1).cpu().numpy()  # (n_books, M, N)
        found = words[:, 0]
        for part in range(1, words.shape[1]):
            found = (found[:, :, None] | words[:, part, None]).reshape(len(words), -1)
        return np.asarray(found.reshape(-1))

"""Quantizer: tokens -> the nearest of product-quantised codes, one or several, with weights."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.sparcode.model.kmeans import DISTANCES, kmeans
from methods.sparcode.model.repeats import repeats
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.model.straight_through import rotated, straight

RESTART_BELOW = 0.1  # of the mean use of a codeword: one used less is dead
SAME = 1e-5  # of the mean length of a codebook's words: words no further apart are one
FAR = 1e6  # in every coordinate: where no token is


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


class Quantizer(nn.Module):
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

    Averages are of a step: ``counts`` (K, M, N) are how many tokens of a step are nearest to each
    codeword, ``sums`` (K, M, N, d) those tokens' sum.

    References
    ----------
    Su et al., SIGIR 2023, section on the quantiser; van den Oord et al., NeurIPS 2017, appendix A.1
    for averages; Jégou et al., TPAMI 2011, for product codes; Fifty et al., ICLR 2025, for the
    rotated gradient. Several codes with weights, codebooks per token, the k-means start: ours.
    """

    codebooks: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, n_tokens: int, settings: ModelSettings) -> None:
        """Start with empty codebooks; `fit_codebooks` fills them."""
        super().__init__()
        one = settings
        self.n_tokens, self.settings = n_tokens, settings
        self.n_books = min(n_tokens, 1) if one.shared_codebooks else n_tokens
        self.is_residual = one.tokenizer == "residual"
        shape = (self.n_books, one.n_parts, one.n_codewords)
        books = torch.zeros(*shape, one.dim // one.n_parts)
        if one.codebooks == "gradient":
            self.codebooks = nn.Parameter(books)
        else:
            self.register_buffer("codebooks", books)
        self.register_buffer("counts", torch.zeros(*shape))
        self.register_buffer("sums", torch.zeros_like(books))
        self.log_temperature = nn.Parameter(torch.zeros(self.n_books))

    @property
    def n_codes(self) -> int:
        """Return N^M, the codes of one codebook."""
        return int(self.settings.n_codewords**self.settings.n_parts)

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

    def books_of(self, which: Tensor) -> Tensor:
        """Return the codebook of each token."""
        return torch.zeros_like(which) if self.settings.shared_codebooks else which

    def split(self, tokens: Tensor) -> Tensor:
        """Return the M parts of tokens (n, K, D), (n, K, M, D / M)."""
        return tokens.reshape(*tokens.shape[:2], self.settings.n_parts, -1)

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

    @torch.no_grad()
    def fit_codebooks(self, tokens: Tensor, n_steps: int) -> None:
        """Set codebooks by k-means on tokens (n, K, D), and temperatures by the mean distance.

        Averages start as if steps like the ``n_steps`` that the tokens are of had gone on for ever.
        """
        left = tokens[:, :1]
        for token in range(self.n_tokens):
            own = left[:, 0] if self.is_residual else tokens[:, token]
            book = self.books_of(torch.tensor([token], device=tokens.device))
            if token == 0 or not self.settings.shared_codebooks:
                self._fit_book(int(book), self._pool(tokens, own), n_steps)
            parts, words = self.split(own[:, None]), self.codebooks[book].detach()
            rows = max(1, DISTANCES // self.settings.n_codewords)
            blocks = torch.functional.split(parts, rows)
            gaps = [nearest_codes(some, words, 1, None)[1] for some in blocks]
            mean = torch.cat(gaps).mean().clamp_min(1e-8)
            self.log_temperature[book] = (mean * self.settings.temperature).log()
            left = self._left_over(left, token)

    def _left_over(self, tokens: Tensor, level: int) -> Tensor:
        """Return what the codes of a residual level leave over of (n, 1, D); else the tokens."""
        if not self.is_residual:
            return tokens
        was_training = self.training
        self.eval()  # no average moves, no noise
        found = self._assign(tokens, torch.tensor([level], device=tokens.device))
        self.train(was_training)
        return tokens - _mean(found)

    def _pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return what a codebook is fitted to: a token's own, or all tokens that share it."""
        return tokens.flatten(0, 1) if self.settings.shared_codebooks else own

    def _fit_book(self, book: int, tokens: Tensor, n_steps: int) -> None:
        """Set one codebook from tokens (n, D) of some steps; k-means may have counted a sample."""
        parts = self.split(tokens[:, None])[:, 0]  # (n, M, d)
        for part in range(self.settings.n_parts):
            words, counts = kmeans(parts[:, part], self.settings.n_codewords)
            self.codebooks.data[book, part] = words
            self.counts[book, part] = counts * (len(tokens) / n_steps / counts.sum())
            self.sums[book, part] = words * self.counts[book, part].unsqueeze(-1)

    @torch.no_grad()
    def restart_dead(self, tokens: Tensor) -> int:
        """Move codewords that are hardly used to tokens drawn from (n, K, D); return how many.

        Tokens of a residual tokenizer are (n, 1, D): a level draws from what the levels before it,
        restarted first, leave over.
        """
        if not self.is_residual:
            return self._restart(tokens, None)
        total, left = 0, tokens
        for level in range(self.n_tokens):
            total += self._restart(left, level)
            left = self._left_over(left, level)
        return total

    def _restart(self, tokens: Tensor, level: int | None) -> int:
        """Restart words of the codebook of ``level`` alone, or of every codebook."""
        parts = self.split(tokens)
        share = self.counts / self.counts.sum(-1, keepdim=True).clamp_min(1e-8)
        dead = share < RESTART_BELOW / self.settings.n_codewords
        book, part, word = torch.nonzero(dead, as_tuple=True)
        if level is not None:
            own = book == level
            book, part, word = book[own], part[own], word[own]
        rows = torch.randint(len(parts), (book.numel(),), device=parts.device)
        if level is not None:
            token = torch.zeros_like(book)
        elif self.settings.shared_codebooks:
            token = torch.randint(self.n_tokens, (book.numel(),), device=parts.device)
        else:
            token = book
        fresh = parts[rows, token, part]
        weight = self.counts.sum(-1)[book, part] / self.settings.n_codewords
        self.codebooks.data[book, part, word] = fresh
        self.counts[book, part, word] = weight
        self.sums[book, part, word] = fresh * weight.unsqueeze(-1)
        return int(book.numel())

    def health(self) -> tuple[float, float]:
        """Return codewords in use and their perplexity, means over codebooks and parts."""
        share = self.counts / self.counts.sum(-1, keepdim=True).clamp_min(1e-8)
        used = (share >= RESTART_BELOW / self.settings.n_codewords).sum(-1).float().mean()
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


def nearest_codes(
    parts: Tensor, books: Tensor, n_nearest: int, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return digits (n, K, J, M) of the nearest codes, nearest first, and squared distances.

    |x - c|^2 = |x|^2 - 2 <x, c> + |c|^2 for each part, of which the first term orders nothing and
    is added to the few that are returned; the J best tuples of parts are built up one part at a
    time from the J best so far and the J best codewords of the next, which loses none.

    Parameters
    ----------
    parts, books : (n, K, M, d), (K, M, N, d).
    noise : (K,) scales of Gumbel noise added to minus the distances of codewords, or None.
    """
    n, n_tokens, n_parts, width = parts.shape
    words = books.flatten(0, 1)  # (K M, N, d)
    gaps = torch.baddbmm(
        (words**2).sum(-1).unsqueeze(1),
        parts.permute(1, 2, 0, 3).reshape(n_tokens * n_parts, n, width),
        words.transpose(1, 2),
        alpha=-2,
    ).view(n_tokens, n_parts, n, -1)
    if noise is not None:
        drawn = -torch.log(-torch.log(torch.rand_like(gaps).clamp(1e-10, 1 - 1e-7)))
        gaps = gaps - noise.view(-1, 1, 1, 1) * drawn
    count = min(n_nearest, gaps.shape[-1])
    best, found = (one.permute(2, 0, 1, 3) for one in _smallest(gaps, count))  # (n, K, M, j)
    total, digits = best[:, :, 0], found[:, :, 0].unsqueeze(-1)
    for part in range(1, n_parts):
        sums = (total.unsqueeze(-1) + best[:, :, part].unsqueeze(-2)).flatten(2)
        total, place = _smallest(sums, min(n_nearest, sums.shape[-1]))
        old, new = place // count, place % count
        digits = digits.gather(2, old.unsqueeze(-1).expand(-1, -1, -1, digits.shape[-1]))
        digits = torch.cat((digits, found[:, :, part].gather(2, new).unsqueeze(-1)), dim=-1)
        count = best.shape[-1]
    return digits, total + (parts**2).sum((-1, -2)).unsqueeze(-1)


def _mean(found: Assigned) -> Tensor:
    """Return the weighted mean of each token's codes, (n, K, D)."""
    return (found.weights.unsqueeze(-1) * found.vectors).sum(2)


def _smallest(gaps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    if count == 1:
        least = gaps.min(dim=-1, keepdim=True)
        return least.values, least.indices
    found = gaps.topk(count, dim=-1, largest=False, sorted=True)
    return found.values, found.indices

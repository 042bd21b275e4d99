"""Upkeep of codebooks between epochs: their start by k-means, new words for those out of use."""

import torch
from torch import Tensor

from methods.sparcode.model.kmeans import DISTANCES, kmeans
from methods.sparcode.model.nearest import nearest_codes
from methods.sparcode.model.quantizer import Quantizer


@torch.no_grad()
def fit_codebooks(quantizer: Quantizer, tokens: Tensor, n_steps: int) -> None:
    """Set codebooks by k-means on tokens (n, K, D), and temperatures by the mean distance.

    Averages start as if steps like the ``n_steps`` that the tokens are of had gone on for ever.
    """
    left = tokens[:, :1]
    for token in range(quantizer.n_tokens):
        own = left[:, 0] if quantizer.is_residual else tokens[:, token]
        book = quantizer.books_of(torch.tensor([token], device=tokens.device))
        if token == 0 or not quantizer.settings.shared_codebooks:
            _fit_book(quantizer, int(book), _pool(quantizer, tokens, own), n_steps)
        parts, words = quantizer.split(own[:, None]), quantizer.codebooks[book].detach()
        rows = max(1, DISTANCES // quantizer.settings.n_codewords)
        blocks = torch.functional.split(parts, rows)
        gaps = [nearest_codes(some, words, 1, None)[1] for some in blocks]
        mean = torch.cat(gaps).mean().clamp_min(1e-8)
        quantizer.log_temperature[book] = (mean * quantizer.settings.temperature).log()
        left = quantizer.left_over(left, token)


def _pool(quantizer: Quantizer, tokens: Tensor, own: Tensor) -> Tensor:
    """Return what a codebook is fitted to: a token's own, or all tokens that share it."""
    return tokens.flatten(0, 1) if quantizer.settings.shared_codebooks else own


def _fit_book(quantizer: Quantizer, book: int, tokens: Tensor, n_steps: int) -> None:
    """Set one codebook from tokens (n, D) of some steps; k-means may have counted a sample."""
    parts = quantizer.split(tokens[:, None])[:, 0]  # (n, M, d)
    for part in range(quantizer.settings.n_parts):
        words, counts = kmeans(parts[:, part], quantizer.settings.n_codewords)
        quantizer.codebooks.data[book, part] = words
        quantizer.counts[book, part] = counts * (len(tokens) / n_steps / counts.sum())
        quantizer.sums[book, part] = words * quantizer.counts[book, part].unsqueeze(-1)


@torch.no_grad()
def restart_dead(quantizer: Quantizer, tokens: Tensor) -> int:
    """Move codewords that are hardly used to tokens drawn from (n, K, D); return how many.

    Tokens of a residual tokenizer are (n, 1, D): a level draws from what the levels before it,
    restarted first, leave over.
    """
    if not quantizer.is_residual:
        return _restart(quantizer, tokens, None)
    total, left = 0, tokens
    for level in range(quantizer.n_tokens):
        total += _restart(quantizer, left, level)
        left = quantizer.left_over(left, level)
    return total


def _restart(quantizer: Quantizer, tokens: Tensor, level: int | None) -> int:
    """Restart words of the codebook of ``level`` alone, or of every codebook."""
    parts = quantizer.split(tokens)
    book, part, word = torch.nonzero(quantizer.is_dead, as_tuple=True)
    if level is not None:
        own = book == level
        book, part, word = book[own], part[own], word[own]
    rows = torch.randint(len(parts), (book.numel(),), device=parts.device)
    if level is not None:
        token = torch.zeros_like(book)
    elif quantizer.settings.shared_codebooks:
        token = torch.randint(quantizer.n_tokens, (book.numel(),), device=parts.device)
    else:
        token = book
    fresh = parts[rows, token, part]
    weight = quantizer.counts.sum(-1)[book, part] / quantizer.settings.n_codewords
    quantizer.codebooks.data[book, part, word] = fresh
    quantizer.counts[book, part, word] = weight
    quantizer.sums[book, part, word] = fresh * weight.unsqueeze(-1)
    return int(book.numel())

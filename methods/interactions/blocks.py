"""Pairs in blocks: what a pair of token and item needs for a while is never held for all pairs."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from methods.interactions.interaction import Sides

HOST_NUMBERS = 1 << 20  # held at once on the CPU: 4 MiB of float32, about a core's cache
DEVICE_NUMBERS = 1 << 27  # held at once on any other device: 512 MiB of float32

Score = Callable[[Sides, Sides], Tensor]


def in_blocks(score: Score, tokens: Sides, items: Sides, per_pair: int) -> Tensor:
    """Return ``score(tokens, items)``, (n, m), computed block by block.

    Where gradients are wanted a block is computed once more in the backward pass instead of being
    kept: memory is the scores' and one block's, time a forward pass more.

    Parameters
    ----------
    score : returns the (r, c) scores of r tokens and c items; blocks must not depend on each other.
    per_pair : numbers that ``score`` holds for a pair while it works.
    """
    n, m = len(tokens[0]), len(items[0])
    rows, columns = _shape(n, m, per_pair, tokens[0].device.type)
    if n <= rows and m <= columns:
        return score(tokens, items)
    of_tokens = _pieces(tokens, rows)
    of_items = _pieces(items, columns)
    if not torch.is_grad_enabled():
        return _fill(score, of_tokens, of_items, tokens[0].new_empty((n, m)))
    lines = [
        torch.cat([_again(score, some, others) for others in of_items], dim=1) for some in of_tokens
    ]
    return torch.cat(lines)


def _shape(n: int, m: int, per_pair: int, device: str) -> tuple[int, int]:
    """Return rows and columns of a block, as square as the pairs at hand allow."""
    pairs = max(1, (HOST_NUMBERS if device == "cpu" else DEVICE_NUMBERS) // per_pair)
    columns = min(m, max(math.isqrt(pairs), pairs // max(n, 1)))
    return max(1, pairs // max(columns, 1)), max(1, columns)


def _pieces(sides: Sides, rows: int) -> list[Sides]:
    """Cut a side; by split, for the gradient of n slices is n tensors of the whole's size."""
    return list(zip(*(torch.functional.split(one, rows) for one in sides), strict=True))


def _again(score: Score, tokens: Sides, items: Sides) -> Tensor:
    scores: Tensor = checkpoint(score, tokens, items, use_reentrant=False, preserve_rng_state=False)
    return scores


def _fill(score: Score, of_tokens: list[Sides], of_items: list[Sides], out: Tensor) -> Tensor:
    row = 0
    for tokens in of_tokens:
        after, column = row + len(tokens[0]), 0
        for items in of_items:
            end = column + len(items[0])
            out[row:after, column:end] = score(tokens, items)
            column = end
        row = after
    return out

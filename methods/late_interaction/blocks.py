"""Blocks of items: scores of every query and item, whose working memory is bounded."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Scorer = Callable[[Tensor, Tensor], Tensor]


def in_blocks(scorer: Scorer, queries: Tensor, items: Tensor, rows: int) -> Tensor:
    """Return ``scorer(queries, items)``, (n, m), computed for ``rows`` items at a time.

    Where gradients are wanted each block is computed once more when they are, so that no more than
    one block's intermediate values are held.
    """
    if len(items) <= rows:
        return scorer(queries, items)
    parts = []
    for start in range(0, len(items), rows):
        block = items[start : start + rows]
        if torch.is_grad_enabled():
            part = checkpoint(scorer, queries, block, use_reentrant=False, preserve_rng_state=False)
        else:
            part = scorer(queries, block)
        parts.append(part)
    return torch.cat(parts, dim=1)

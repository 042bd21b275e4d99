"""Exhaustive search: every item scored for every query, a block of queries at a time."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from harness.lists import Lists
from harness.stages import Mark
from harness.topk import PAD_ID, PAD_SCORE, TopK, concatenate, select_top_k

BLOCK_SCORES = 1 << 24  # scores held at once: 64 MiB


def best_of_all(
    scores_of: Callable[[slice], Tensor],
    n_items: int,
    hidden: Lists,
    k: int,
    device: str,
    mark: Mark,
) -> TopK:
    """Return the k best items of each query that are not hidden from it, by the tie rule.

    ``scores_of`` gives for a slice of the queries the scores of all items, (rows, n_items), on
    ``device``. The stages marked are `scoring` and `top_k`, and `transfer` on another device than
    the CPU.
    """
    n, rows, found = len(hidden), max(1, BLOCK_SCORES // n_items), []
    for start in range(0, max(n, 1), rows):
        with torch.inference_mode():
            scores = scores_of(slice(start, start + rows))
        mark("scoring")
        of_block = hidden.take(np.arange(start, min(start + rows, n)))
        found.append(_best(scores, of_block, k, device, mark))
    return concatenate(found)


def _best(scores: Tensor, hidden: Lists, k: int, device: str, mark: Mark) -> TopK:
    if device == "cpu":
        best = select_top_k(scores.numpy(), k, hidden)
        mark("top_k")
        return best
    rows, ids = (torch.from_numpy(one).to(device) for one in (hidden.rows, hidden.ids))
    mark("transfer")
    with torch.inference_mode():
        scores[rows, ids] = PAD_SCORE
        values, ids = torch.sort(scores, dim=1, descending=True, stable=True)
        ids = torch.where(values == PAD_SCORE, PAD_ID, ids)
    mark("top_k")
    best = TopK(ids[:, :k].cpu().numpy(), values[:, :k].cpu().numpy())
    mark("transfer")
    return best

"""MaxSim: the sum over a query's tokens of the best match among an item's tokens.

A token that is not there is a vector of zeros: of a query it adds nothing. An item has no such
token (see `methods.late_interaction.item_tokens`), for it would hold the maximum at 0.
"""

import torch
from torch import Tensor

from methods.late_interaction.blocks import in_blocks

BLOCK_PRODUCTS = 1 << 24  # products of tokens held at once in training, 64 MiB


def maxsim(queries: Tensor, items: Tensor, block_products: int = BLOCK_PRODUCTS) -> Tensor:
    """Return sum_q max_s <queries[:, q], items[:, s]>, (n, m), of all pairs.

    Parameters
    ----------
    queries : (n, L, d). items : (m, S, d), S at least 1; with S = 1 it is one product of matrices.
    block_products : n * L * m numbers that are held at once, at most.

    >>> queries = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    >>> items = torch.tensor([[[3.0, 0.0], [1.0, 1.0]]])
    >>> maxsim(queries, items).tolist()  # max(3, 1) + max(0, 2)
    [[5.0]]

    References
    ----------
    Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
    Interaction over BERT", SIGIR 2020, eq. 3.
    """
    if items.shape[1] == 1:
        return queries.sum(dim=1) @ items[:, 0].T
    rows = max(1, block_products // max(queries.shape[0] * queries.shape[1], 1))
    return in_blocks(_all_pairs, queries, items, rows)


def _all_pairs(queries: Tensor, items: Tensor) -> Tensor:
    flat = queries.flatten(0, 1)  # (n * L, d)
    best = flat @ items[:, 0].T
    for one in range(1, items.shape[1]):
        best = torch.maximum(best, flat @ items[:, one].T)
    return best.view(*queries.shape[:2], len(items)).sum(dim=1)


def own_maxsim(queries: Tensor, items: Tensor) -> Tensor:
    """Return the scores of queries (n, L, d) with items of their own, (n, m, S, d): (n, m)."""
    products = torch.bmm(queries, items.flatten(1, 2).transpose(1, 2))  # (n, L, m * S)
    return products.view(*queries.shape[:2], *items.shape[1:3]).amax(dim=3).sum(dim=1)

"""Poly-encoder scores: an item attends over the vectors of a query, then one inner product."""

import torch
from torch import Tensor

from methods.late_interaction.blocks import in_blocks

BLOCK_PRODUCTS = 1 << 24  # products of vectors held at once in training, 64 MiB


def poly_scores(queries: Tensor, items: Tensor, block_products: int = BLOCK_PRODUCTS) -> Tensor:
    """Return the scores of all pairs, (n, p).

    With z_i = <y_i, item> for the m vectors y_i of a query, the item's view of the query is sum_i
    softmax(z)_i y_i, and its inner product with the item sum_i softmax(z)_i z_i. That lies between
    the mean and the maximum of z.

    Parameters
    ----------
    queries : (n, m, d). items : (p, d).
    block_products : n * m * p numbers that are held at once, at most.

    >>> queries = torch.tensor([[[0.0, 1.0], [0.0, -1.0]]])
    >>> poly_scores(queries, torch.tensor([[1.0, 0.0]])).tolist()
    [[0.0]]

    References
    ----------
    Humeau, Shuster, Lachaux and Weston, "Poly-encoders: Architectures and Pre-training Strategies
    for Fast and Accurate Multi-sentence Scoring", ICLR 2020, sec. 4.4.
    """
    if queries.shape[1] == 1:
        return queries[:, 0] @ items.T
    rows = max(1, block_products // max(queries.shape[0] * queries.shape[1], 1))
    return in_blocks(_all_pairs, queries, items, rows)


def _all_pairs(queries: Tensor, items: Tensor) -> Tensor:
    products = (queries.flatten(0, 1) @ items.T).view(*queries.shape[:2], len(items))
    return attended(products, 1)


def own_poly_scores(queries: Tensor, items: Tensor) -> Tensor:
    """Return the scores of queries (n, m, d) with items of their own, (n, p, d): (n, p)."""
    return attended(torch.bmm(queries, items.transpose(1, 2)), 1)


def attended(products: Tensor, dim: int) -> Tensor:
    """Return the sum along ``dim`` of products weighted by their softmax."""
    return (torch.softmax(products, dim=dim) * products).sum(dim=dim)

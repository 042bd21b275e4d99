"""The graph of users and items: its normalised adjacency, and propagation over it."""

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from harness.interactions import Interactions


def normalised_adjacency(train: Interactions, device: str) -> Tensor:
    """Return D^-1/2 A D^-1/2 of the bipartite graph, sparse CSR, (n_users + n_items) squared.

    Users come first. An edge joins user and item that met, once however often they did.
    """
    n = train.n_users + train.n_items
    users, items = train.user_ids, train.n_users + train.item_ids
    rows, columns = np.concatenate((users, items)), np.concatenate((items, users))
    edges = sparse.csr_array((np.ones(len(rows), np.float64), (rows, columns)), (n, n))
    edges.data[:] = 1  # repeated events were added up
    scale = 1 / np.sqrt(np.maximum(edges.sum(axis=1), 1))
    edges.sort_indices()
    degrees = np.repeat(scale, np.diff(edges.indptr)) * scale[edges.indices]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse", UserWarning)  # torch calls its CSR a beta
        adjacency: Tensor = torch.sparse_csr_tensor(
            torch.from_numpy(edges.indptr.astype(np.int32)),
            torch.from_numpy(edges.indices.astype(np.int32)),
            torch.from_numpy(degrees.astype(np.float32)),
            size=(n, n),
            device=device,
        )
    return adjacency


def propagated(adjacency: Tensor, vectors: Tensor, n_layers: int) -> Tensor:
    """Return the mean of layers 0 to ``n_layers``, each the adjacency times the one before."""
    layer = total = vectors
    for _ in range(n_layers):
        layer = _SymmetricProduct.apply(adjacency, layer)  # type: ignore[no-untyped-call]
        total = total + layer
    return total / (n_layers + 1)


class _SymmetricProduct(torch.autograd.Function):
    """adjacency @ vectors; the adjacency is its own transpose, so the gradient is alike.

    It stays float32 under autocast, which has no sparse products in less.
    """

    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, vectors: Tensor) -> Tensor:
        ctx.adjacency = adjacency
        with torch.autocast(vectors.device.type, enabled=False):
            return adjacency @ vectors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.adjacency @ gradients[0]

"""The graph of users and items: its normalised adjacency, and propagation over it."""

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from harness.interactions import Interactions


class Graph:
    """A, the bipartite graph of users and items, and D, its degrees; users come first.

    An edge joins user and item that met, once however often they did. `propagated` multiplies by
    D^-1/2 A D^-1/2: with vectors scaled beforehand that takes sums over neighbours, without a
    weight for each edge.
    """

    def __init__(self, train: Interactions, device: str) -> None:
        """Read the edges from the events of ``train``."""
        n = train.n_users + train.n_items
        users, items = train.user_ids, train.n_users + train.item_ids
        rows, columns = np.concatenate((users, items)), np.concatenate((items, users))
        edges = sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), (n, n))
        edges.data[:] = 1  # repeated events were added up
        edges.sort_indices()
        degrees = np.maximum(np.diff(edges.indptr), 1)
        self._starts = torch.from_numpy(edges.indptr.astype(np.int32)).to(device)
        self._neighbours = torch.from_numpy(edges.indices.astype(np.int32)).to(device)
        scale = torch.from_numpy((1 / np.sqrt(degrees)).astype(np.float32))
        self.scale = scale[:, None].to(device)  # D^-1/2, (n, 1)
        self.inverse_degrees = self.scale.square()
        self._matrix = None if device == "cpu" else self._as_matrix()

    def sums(self, vectors: Tensor) -> Tensor:
        """Return A @ vectors: of each vertex the sum of its neighbours' vectors, (n, d).

        On a CPU torch's sums of bags of embeddings, which fetch rows ahead, take 0.45 of the time
        of its product of a sparse matrix (Gowalla, d = 64, a core beside other work).
        """
        if self._matrix is not None:
            return self._matrix @ vectors
        return functional.embedding_bag(
            self._neighbours, vectors, self._starts, mode="sum", include_last_offset=True
        )

    def _as_matrix(self) -> Tensor:
        n = len(self._starts) - 1
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse", UserWarning)  # torch calls its CSR a beta
            ones = torch.ones(len(self._neighbours), device=self._neighbours.device)
            matrix: Tensor = torch.sparse_csr_tensor(
                self._starts, self._neighbours, ones, size=(n, n)
            )
        return matrix


def propagated(graph: Graph, vectors: Tensor, n_layers: int) -> Tensor:
    """Return the mean of layers 0 to K, each D^-1/2 A D^-1/2 times the one before, (n, d).

    It stays float32 under autocast, which has no sparse products in less. It has no second
    derivative.
    """
    mean: Tensor = _MeanOfLayers.apply(graph, vectors, n_layers)  # type: ignore[no-untyped-call]
    return mean


class _MeanOfLayers(torch.autograd.Function):
    """See `propagated`; the map is linear and its own transpose, so the gradient is alike."""

    @staticmethod
    def forward(ctx: Any, graph: Graph, vectors: Tensor, n_layers: int) -> Tensor:
        ctx.graph, ctx.n_layers = graph, n_layers
        return _mean_of_layers(graph, vectors, n_layers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _mean_of_layers(ctx.graph, gradients[0], ctx.n_layers), None


def _mean_of_layers(graph: Graph, vectors: Tensor, n_layers: int) -> Tensor:
    """Add up S(k) = A D^-1 S(k - 1) = A D^-1/2 E(k - 1); E(k) is D^-1/2 S(k)."""
    with torch.autocast(vectors.device.type, enabled=False):
        scaled = vectors.float() * graph.scale
        total = torch.zeros_like(scaled)
        for layer in range(n_layers):
            sums = graph.sums(scaled)
            total += sums
            if layer + 1 < n_layers:
                scaled = sums.mul_(graph.inverse_degrees)
        return total.mul_(graph.scale).add_(vectors).div_(n_layers + 1)

"""Flat: exact search, by faiss on the CPU and by torch on a GPU."""

import importlib
from typing import Any

import numpy as np
import torch

from harness.errors import MethodError
from harness.lists import FloatArray
from harness.topk import TopK
from methods.ann.vector_index import VectorIndex, order_ties

BLOCK_SCORES = 1 << 28  # scores held on the device at once: 1 GiB of float32


def load_faiss() -> Any:
    """Return the faiss module, or say which extra brings it."""
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise MethodError(
            "faiss is not installed: install the extra `cpu` (faiss-cpu) or, for a machine with "
            "an NVIDIA GPU, `gpu` (faiss-gpu); not both"
        ) from error


class FaissFlat(VectorIndex):
    """Every inner product, computed by faiss on the CPU."""

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors into a faiss index."""
        self._index = load_faiss().IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors))

    def search(self, queries: FloatArray, k: int) -> TopK:
        """Return the k best by inner product."""
        scores, ids = self._index.search(np.ascontiguousarray(queries), k)
        return order_ties(ids, scores)

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return self.n_items * int(self._index.d) * 4

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors."""
        return np.asarray(self._index.reconstruct_n(0, self.n_items))


class TorchFlat(VectorIndex):
    """Every inner product, by torch on any device, in blocks of queries."""

    def __init__(self, device: str) -> None:
        """Take the device the vectors will live on."""
        self._device = device

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors to the device."""
        self._vectors = torch.from_numpy(np.ascontiguousarray(vectors)).to(self._device)

    def search(self, queries: FloatArray, k: int) -> TopK:
        """Return the k best by inner product; queries and answers are on the host."""
        rows = max(1, BLOCK_SCORES // self.n_items)
        parts = []
        for start in range(0, len(queries), rows):
            block = torch.from_numpy(queries[start : start + rows]).to(self._device)
            best = torch.topk(block @ self._vectors.T, k, dim=1)
            parts.append((best.indices.cpu().numpy(), best.values.cpu().numpy()))
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return order_ties(ids, scores)

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._vectors.shape[0])

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return int(self._vectors.numel()) * 4

    def vectors(self) -> FloatArray:
        """Return the vectors, on the host."""
        return np.asarray(self._vectors.cpu().numpy())


def exact_index(device: str) -> VectorIndex:
    """Return the exact index for a device."""
    return TorchFlat(device) if device.startswith("cuda") else FaissFlat()

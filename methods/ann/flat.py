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
        self.mark("scoring")
        found = order_ties(ids, scores)
        self.mark("top_k")
        return found

    @property
    def vectors(self) -> FloatArray:
        """Return the vectors as the index holds them, float32 (n_items, dim), not copied."""
        held: FloatArray = load_faiss().rev_swig_ptr(
            self._index.get_xb(), self._index.ntotal * self._index.d
        )
        return held.reshape(self._index.ntotal, self._index.d)

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return self.n_items * int(self._index.d) * 4


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
            self.mark("transfer")
            products = block @ self._vectors.T
            self.mark("scoring")
            best = torch.topk(products, k, dim=1)
            self.mark("top_k")
            parts.append((best.indices.cpu().numpy(), best.values.cpu().numpy()))
            self.mark("transfer")
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        found = order_ties(ids, scores)
        self.mark("top_k")
        return found

    @property
    def vectors(self) -> FloatArray:
        """Return a copy of the vectors on the host, float32 (n_items, dim)."""
        return np.asarray(self._vectors.cpu().numpy())

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._vectors.shape[0])

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return int(self._vectors.numel()) * 4


def exact_index(device: str) -> FaissFlat | TorchFlat:
    """Return the exact index for a device."""
    return TorchFlat(device) if device.startswith("cuda") else FaissFlat()

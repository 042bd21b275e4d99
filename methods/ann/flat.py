"""Flat: exact search, by faiss on the CPU and by torch on a GPU."""

from pathlib import Path

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.lists import FloatArray
from harness.stages import Mark, no_mark
from harness.topk import TopK
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss
from methods.ann.vector_index import VectorIndex, order_ties

BLOCK_SCORES = 1 << 28  # scores held on the device at once: 1 GiB of float32


class FaissFlat(FaissIndex):
    """Every inner product, computed by faiss on the CPU."""

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors into a faiss index."""
        self._index = load_faiss().IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors))

    def _distances_of_search(self, n_queries: int, before: int) -> int:
        return n_queries * self.n_items

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return self.vector_bytes

    def vectors(self) -> FloatArray:
        """Return the vectors as the index holds them, float32 (n_items, dim), not copied."""
        return flat_vectors(self._index)


class TorchFlat(VectorIndex):
    """Every inner product, by torch on any device, in blocks of queries."""

    def __init__(self, device: str) -> None:
        """Take the device the vectors will live on."""
        self._device = device

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors to the device."""
        self._vectors = torch.from_numpy(np.ascontiguousarray(vectors)).to(self._device)

    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best by inner product; queries and answers are on the host."""
        rows = max(1, BLOCK_SCORES // self.n_items)
        parts = []
        for start in range(0, len(queries), rows):
            block = torch.from_numpy(queries[start : start + rows]).to(self._device)
            mark("transfer")
            products = block @ self._vectors.T
            mark("scoring")
            best = torch.topk(products, k, dim=1)
            mark("top_k")
            parts.append((best.indices.cpu().numpy(), best.values.cpu().numpy()))
            mark("transfer")
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        self.distances += len(queries) * self.n_items
        found = order_ties(ids, scores)
        mark("top_k")
        return found

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._vectors.shape[0])

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors."""
        return int(self._vectors.numel()) * 4

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors on the host, float32 (n_items, dim)."""
        return np.asarray(self._vectors.cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write the vectors."""
        save_arrays(folder, "flat", {"vectors": self.vectors()})

    def load(self, folder: Path) -> None:
        """Read the vectors, onto the device."""
        self.add(load_arrays(folder, "flat")[0]["vectors"])


def exact_index(device: str) -> VectorIndex:
    """Return the exact index for a device."""
    return TorchFlat(device) if device.startswith("cuda") else FaissFlat()

"""TorchFlat: every inner product by torch on any device, hidden items left out there."""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from harness.arrays import load_arrays, save_arrays
from harness.lists import FloatArray, Lists
from harness.stages import Mark, no_mark
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.vector_index import VectorIndex

BLOCK_SCORES = 1 << 28  # scores held on the device at once: 1 GiB of float32


class Placed(NamedTuple):
    """Queries on a device: vectors float32 (n, dim), and each hidden item, int64, by its row."""

    vectors: Tensor
    hidden_rows: Tensor
    hidden_ids: Tensor

    @classmethod
    def of(cls, vectors: Tensor, hidden: Lists, device: str) -> Self:
        """Copy to the device what is not there."""
        rows, ids = (torch.from_numpy(one.astype(np.int64)) for one in (hidden.rows, hidden.ids))
        return cls(vectors.to(device), rows.to(device), ids.to(device))


class Found(NamedTuple):
    """Answers on a device: ids int64 and scores float32, both (n, k), as a TopK has them."""

    ids: Tensor
    scores: Tensor

    def to_host(self) -> TopK:
        """Copy to the host, once the device is done."""
        return TopK(self.ids.cpu().numpy(), self.scores.cpu().numpy())


class TorchFlat(VectorIndex):
    """Every inner product, by torch on any device, in blocks of queries.

    Scores are float32; on a GPU, unless torch is told to use TF32, so are the products. Told to be
    quick (``precision``), the products are in bfloat16, with 8 bits of a fraction, and those of the
    best ``k_factor`` * k are computed again in float32: exact as far as the best k are among these.
    ``distances`` is computed, not counted.

    Attributes
    ----------
    k_factor : not read in float32; what exceeds all vectors means all.
    """

    def __init__(self, device: str, precision: str = "float32") -> None:
        """Take the device the vectors will live on, and ``float32`` or ``bfloat16``."""
        self._device, self._is_reduced, self.k_factor = device, precision == "bfloat16", 1
        self._reduced: Tensor | None = None

    def add(self, vectors: FloatArray) -> None:
        """Copy the vectors to the device."""
        self._vectors = torch.from_numpy(np.ascontiguousarray(vectors)).to(self._device)
        self._reduced = self._vectors.bfloat16() if self._is_reduced else None

    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best by inner product; queries and answers are on the host."""
        return self.search_visible(queries, Lists.empty(len(queries)), k, mark)

    def search_visible(
        self, queries: FloatArray, hidden: Lists, k: int, mark: Mark = no_mark
    ) -> TopK:
        """Return the k best that are not hidden; queries and answers are on the host."""
        placed = Placed.of(torch.from_numpy(np.ascontiguousarray(queries)), hidden, self._device)
        mark("transfer")
        found = self.search_placed(placed, k, mark).to_host()
        mark("transfer")
        return found

    def search_placed(self, placed: Placed, k: int, mark: Mark = no_mark) -> Found:
        """Return the k best that are not hidden; queries and answers stay on the device."""
        n, n_again = len(placed.vectors), self._n_again(k)
        rows = max(1, BLOCK_SCORES // max(self.n_items, n_again * self._vectors.shape[1]))
        self.distances += n * (self.n_items + n_again)
        if n <= rows:
            return self._block(*placed, k, mark)
        blocks = []
        for start in range(0, n, rows):
            at = placed.hidden_rows - start
            inside = (at >= 0) & (at < rows)
            vectors = placed.vectors[start : start + rows]
            blocks.append(self._block(vectors, at[inside], placed.hidden_ids[inside], k, mark))
        return Found(*(torch.cat(column) for column in zip(*blocks, strict=True)))

    def _n_again(self, k: int) -> int:
        """Return for how many items the product is computed again."""
        return min(self.k_factor * k, self.n_items) if self._is_reduced else 0

    def _block(self, vectors: Tensor, rows: Tensor, ids: Tensor, k: int, mark: Mark) -> Found:
        if self._reduced is None:
            products = vectors @ self._vectors.T
        else:
            products = vectors.bfloat16() @ self._reduced.T
        mark("scoring")
        products[rows, ids] = PAD_SCORE
        if self._reduced is None:
            found = _best(products, k)
        else:
            best = torch.topk(products, self._n_again(k), dim=1)
            found = self._again(vectors, best.indices, best.values == PAD_SCORE, k)
        mark("top_k")
        return found

    def _again(self, vectors: Tensor, ids: Tensor, is_hidden: Tensor, k: int) -> Found:
        """Return the k best of candidates, (n, n_again), by their products in float32."""
        products = torch.bmm(self._vectors[ids], vectors[:, :, None])[:, :, 0]
        products[is_hidden] = PAD_SCORE
        found = _in_order(ids, products)
        return Found(found.ids[:, :k], found.scores[:, :k])

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._vectors.shape[0])

    @property
    def nbytes(self) -> int:
        """Return the bytes of the vectors, in either precision."""
        return int(self._vectors.numel()) * (6 if self._is_reduced else 4)

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors on the host, float32 (n_items, dim)."""
        return np.asarray(self._vectors.cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write the vectors."""
        save_arrays(folder, "flat", {"vectors": self.vectors()})

    def load(self, folder: Path) -> None:
        """Read the vectors, onto the device."""
        self.add(load_arrays(folder, "flat")[0]["vectors"])


def _best(scores: Tensor, k: int) -> Found:
    """Return the k best of each row of scores (n, n_items), of equal ones those of smallest ids.

    torch takes any of those that tie at the k-th place; the rows where one ties that is not among
    the k are sorted whole.
    """
    values, ids = torch.topk(scores, min(k + 1, scores.shape[1]), dim=1)
    found = _in_order(ids[:, :k], values[:, :k])
    if values.shape[1] > k:
        ties = torch.nonzero((values[:, k - 1] == values[:, k]) & (values[:, k] != PAD_SCORE))
        rows = ties[:, 0]
        if len(rows):
            order = torch.argsort(scores[rows], dim=1, descending=True, stable=True)[:, :k]
            again = _in_order(order, scores[rows].gather(1, order))
            found.ids[rows], found.scores[rows] = again.ids, again.scores
    return found


def _in_order(ids: Tensor, scores: Tensor) -> Found:
    """Return what torch found, (n, k), in the order of the tie rule; hidden items become pads."""
    ids = torch.where(scores == PAD_SCORE, PAD_ID, ids)
    order = torch.argsort(ids, dim=1)
    ids, scores = ids.gather(1, order), scores.gather(1, order)
    order = torch.argsort(scores, dim=1, descending=True, stable=True)
    return Found(ids.gather(1, order), scores.gather(1, order))

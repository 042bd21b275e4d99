"""Item-item weights, sparse or dense, and the search that every linear item-item model shares.

A query's score of item j is the sum of W[i, j] over the distinct items i of its history.
"""

from collections.abc import Mapping
from typing import Protocol, Self

import numpy as np

from harness.arrays import Array
from harness.interactions import Queries
from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE, TopK, concatenate, select_top_k
from methods.classical.met import distinct, plain, rows_of_ones
from methods.classical.neighbours import score_lists, search_lists

BLOCK_SCORES = 1 << 22  # scores of a dense search held at once: 16 MB, and as much to select


class ItemWeights(Protocol):
    """What `LinearRetriever` serves from; `SparseWeights` and `DenseWeights` are it."""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Return all that search needs, by name."""

    @property
    def n_weights(self) -> int:
        """Return how many weights are held."""

    @property
    def work(self) -> Mapping[str, int]:
        """Return the weights read and the items scored, over all searches."""

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items of the largest sums."""

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the sums, float32 (n, n_item_ids)."""


class SparseWeights:
    """For each item seen a list of (scored item, weight): an inverted index.

    A search reads the lists of the history, at most their lengths in weights, whatever the size of
    the catalogue. 8 bytes a weight and 12 an item.

    Attributes
    ----------
    arrays : ``indptr`` int64, ``ids`` int32, ``weights`` float32; ``offsets`` float32 (n_items,),
        added to an item's sum; ``others`` int32, items that may be returned although no list of
        the history names them, best offset first. Where ``others`` is empty such an item has no
        score, and lists are padded.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = {name: arrays[name] for name in ("indptr", "ids", "weights", "offsets")}
        indptr, ids, weights, offsets = self.arrays.values()
        self._lists = indptr, ids, weights, offsets
        self._others = self.arrays["others"] = arrays["others"]
        self._work = np.zeros(2, np.int64)

    @classmethod
    def of(
        cls,
        seen: IntArray,
        scored: IntArray,
        weights: FloatArray,
        n_items: int,
        *,
        offsets: FloatArray | None = None,
        scores_all: bool = False,
    ) -> Self:
        """Lay triples of (seen, scored, weight), in any order, out as lists.

        Parameters
        ----------
        offsets : of each item; 0 unless given.
        scores_all : whether an item without a weight from the history has its offset for a score,
            as it must where weights may be negative.
        """
        order = np.argsort(seen, kind="stable")
        counts = np.bincount(seen, minlength=n_items)
        offsets = np.zeros(n_items, np.float32) if offsets is None else offsets
        others = np.argsort(-offsets, kind="stable") if scores_all else np.zeros(0)
        return cls(
            {
                "indptr": np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
                "ids": scored[order].astype(np.int32),
                "weights": weights[order].astype(np.float32),
                "offsets": offsets,
                "others": others.astype(np.int32),
            }
        )

    @property
    def n_weights(self) -> int:
        """Return how many weights are held."""
        return int(self.arrays["ids"].size)

    @property
    def work(self) -> Mapping[str, int]:
        """Return the weights read and the items they touched, over all searches."""
        return {"postings": int(self._work[0]), "candidates": int(self._work[1])}

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items of the largest sums, padded where too few have one."""
        shape = (len(queries), k)
        ids, scores = np.full(shape, PAD_ID, np.int64), np.full(shape, PAD_SCORE, np.float32)
        search_lists(
            *self._lists,
            self._others,
            *plain(queries.history),
            *plain(queries.hidden),
            ids,
            scores,
            self._work,
        )
        return TopK(ids, scores)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the sums that `search` ranks by; -inf for an item that it never returns."""
        scores = np.empty((len(queries), len(item_ids)), np.float32)
        scores[:] = self.arrays["offsets"][item_ids] if self._others.size else PAD_SCORE
        score_lists(*self._lists, *plain(queries.history), np.ascontiguousarray(item_ids), scores)
        return scores


class DenseWeights:
    """All n_items^2 weights, 4 bytes each; a search adds one whole row per item of the history."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._dense: FloatArray = arrays["dense"]
        self._work = {"postings": 0, "candidates": 0}

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Return ``dense`` float32 (n_items, n_items): row seen, column scored."""
        return {"dense": self._dense}

    @property
    def n_weights(self) -> int:
        """Return how many weights are held."""
        return int(self._dense.size)

    @property
    def work(self) -> Mapping[str, int]:
        """Return the weights read and the items scored, over all searches."""
        return dict(self._work)

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items of the largest sums; all that are not hidden have one."""
        rows = max(1, BLOCK_SCORES // len(self._dense))
        parts = [self._search_block(queries.take(block), k) for block in _blocks(queries, rows)]
        return concatenate(parts)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the sums that `search` ranks by."""
        return np.ascontiguousarray(self._sums(queries)[:, item_ids])

    def _search_block(self, queries: Queries, k: int) -> TopK:
        scores = self._sums(queries)
        self._work["candidates"] += scores.size
        return select_top_k(scores, k, queries.hidden)

    def _sums(self, queries: Queries) -> FloatArray:
        history = distinct(queries.history, len(self._dense))
        self._work["postings"] += history.ids.size * len(self._dense)
        return np.asarray(rows_of_ones(history, len(self._dense)) @ self._dense)


def _blocks(queries: Queries, rows: int) -> list[IntArray]:
    places = np.arange(len(queries))
    return [places[start : start + rows] for start in range(0, max(len(queries), 1), rows)]

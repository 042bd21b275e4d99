"""Random: every query is offered items by lot."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from harness.arrays import load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.retriever import Capability, Footprint, Retriever
from harness.seeding import derive_seed
from harness.topk import TopK, concatenate, select_top_k

KIND = "random"  # of what is saved
BLOCK_SCORES = 1 << 22  # drawn at once
GAMMA = np.uint64(0x9E3779B97F4A7C15)  # of SplitMix64
Words = npt.NDArray[np.uint64]


class Random(Retriever):
    """Score items by lot, uniformly in [0, 1): what a list is worth that knows nothing.

    A score is a hash of the seed, the query's user and history, and the item, so the same query
    gets the same list again, whatever it is asked with; queries of another user or history get
    independent ones. A query costs O(n_items).

    References
    ----------
    Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, for the
    mixing function.
    """

    capabilities = frozenset({Capability.SCORE, Capability.SAVE})
    search_stages: ClassVar[tuple[str, ...]] = ("scoring", "top_k")

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Take note of the number of items."""
        key = derive_seed(self.seed, "random")
        self._key_and_items = np.array([key, train.n_items], np.int64)

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items of the largest scores."""
        n_items = int(self._key_and_items[1])
        rows = max(1, BLOCK_SCORES // n_items)
        parts = []
        for start in range(0, max(len(queries), 1), rows):
            block = queries.take(np.arange(start, min(start + rows, len(queries))))
            scores = self.score(block, np.arange(n_items))
            self.mark("scoring")
            parts.append(select_top_k(scores, k, block.hidden))
            self.mark("top_k")
        return concatenate(parts)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the lots of each query, float32 (n, n_item_ids), of 24 bits."""
        places = np.arange(queries.history.ids.size) - queries.history.indptr[queries.history.rows]
        events = _mixed(_mixed(queries.history.ids) + places.astype(np.uint64))
        sums = np.zeros(len(queries), np.uint64)
        np.add.at(sums, queries.history.rows, events)
        keys = _mixed(_mixed(queries.user_ids) ^ _mixed(self._key_and_items[:1]) ^ sums)
        drawn = _mixed(keys[:, None] + _mixed(item_ids)[None, :])
        return (drawn >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)

    def footprint(self) -> Footprint:
        """Return the bytes of the seed and the number of items."""
        return Footprint(self._key_and_items.nbytes)

    def save(self, folder: Path) -> None:
        """Write the seed and the number of items."""
        save_arrays(folder, KIND, {"key_and_items": self._key_and_items})

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        arrays, _ = load_arrays(folder, KIND)
        self._key_and_items = arrays["key_and_items"]


def _mixed(values: npt.NDArray[np.int64] | Words) -> Words:
    """Return a well-spread word for each: the output function of SplitMix64, one step on."""
    words = values.astype(np.uint64) + GAMMA
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))

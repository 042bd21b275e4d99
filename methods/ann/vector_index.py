"""VectorIndex: vectors in, the best inner products out; and search around hidden items."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from harness.lists import FloatArray, IntArray, Lists
from harness.stages import Mark, no_mark
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.visible import falls, first_visible


class VectorIndex(ABC):
    """An index over n item vectors; the score is the inner product.

    Attributes
    ----------
    distances : inner products computed by all searches so far; what an index counts as one, and
        whether it was counted or computed, its class says.
    """

    distances: int = 0

    def train(self, vectors: FloatArray) -> None:  # noqa: B027  most indexes learn nothing
        """Learn from the vectors of all items, float32 (n_items, dim), what `add` relies on."""

    @abstractmethod
    def add(self, vectors: FloatArray) -> None:
        """Take the vectors of all items, float32 (n_items, dim); row i is item i."""

    @abstractmethod
    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best items of each query, float32 (n, dim); k is at most n_items.

        An approximate index may find fewer: pads follow. ``mark`` is told where `scoring` and
        `top_k` end, and `transfer` where vectors go to a device and answers come back.
        """

    def search_visible(
        self, queries: FloatArray, hidden: Lists, k: int, mark: Mark = no_mark
    ) -> TopK:
        """Return the k best items of each query that are not hidden from it."""
        return search_around_hidden(self, queries, hidden, k, mark)

    def tune(self, search: Any) -> None:
        """Take search parameters: a dataclass, each field of which is an attribute of the index."""
        for one in fields(search):
            setattr(self, one.name, getattr(search, one.name))

    @property
    @abstractmethod
    def n_items(self) -> int:
        """Return the number of vectors."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Return the bytes that a search may touch."""

    @property
    def details(self) -> Mapping[str, float]:
        """Return what is worth a record, such as the number of cells, by name."""
        return {}

    @property
    def holds_vectors(self) -> bool:
        """Return whether `vectors` gives what was added; an index of codes alone cannot."""
        return True

    @abstractmethod
    def vectors(self) -> FloatArray:
        """Return the vectors as they were added, float32 (n_items, dim); not to be written to."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the index was made with the same arguments."""


def search_around_hidden(
    index: VectorIndex, queries: FloatArray, hidden: Lists, k: int, mark: Mark = no_mark
) -> TopK:
    """Return the k best items that are not hidden.

    An index cannot leave items out, so each query asks for k and as many more as it hides, rounded
    up to one below a power of two. Queries that ask for the same are one call: one long list does
    not make all the others pay. And what a query asks for, on which the candidates of an index
    may depend, does not depend on its company. ``mark`` is told where stages end.
    """
    if hidden.ids.size == 0 and len(queries):
        return index.search(queries, k, mark)
    lengths = hidden.lengths
    if len(lengths) == 1:
        more = (1 << int(lengths[0]).bit_length()) - 1
        found = index.search(queries, min(k + more, index.n_items), mark)
        found = first_visible(found, hidden, k)
        mark("top_k")
        return found
    groups = np.ceil(np.log2(lengths + 1)).astype(np.int64)  # the bit length
    ids = np.full((len(lengths), k), PAD_ID, np.int64)
    scores = np.full((len(lengths), k), PAD_SCORE, np.float32)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        wanted = min(k + (1 << int(group)) - 1, index.n_items)
        found = index.search(queries[rows], wanted, mark)
        kept = first_visible(found, hidden.take(rows), k)
        ids[rows], scores[rows] = kept.ids, kept.scores
        mark("top_k")
    return TopK(ids, scores)


def order_ties(ids: IntArray, scores: FloatArray) -> TopK:
    """Return what a library found, (n, k), in the order of the tie rule."""
    if falls(np.ascontiguousarray(scores)):  # as a rule: nothing ties, nothing is to be sorted
        return TopK(ids.astype(np.int64, copy=False), scores)
    order = np.lexsort((ids, -scores), axis=1)
    return TopK(
        np.take_along_axis(ids, order, axis=1).astype(np.int64),
        np.take_along_axis(scores, order, axis=1),
    )

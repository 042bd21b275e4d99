"""Training events -> batches of (query, target item), the target never in its own history."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np

from harness.fields import Fields
from harness.interactions import Interactions, Queries
from harness.lists import IntArray, Lists


@dataclass(frozen=True, slots=True)
class Batch:
    """n examples.

    Attributes
    ----------
    targets : int64 (n,), the items to be ranked first.
    history : Lists of n rows, items the user met beside the target; with ``positions``, sequences.
    fields : n rows of the query side's fields, or None.
    positions : int64 (n,), rising, or None. Where in ``history.ids`` the last item stands that is
        known to each example: what its sequence holds up to there is the example's history.
    """

    targets: IntArray
    history: Lists
    fields: Fields | None
    positions: IntArray | None = None

    @property
    def sequences(self) -> IntArray | None:
        """Return whose sequence each example is of, a row of ``history``, int64 (n,), rising.

        None where examples are single ones.
        """
        if self.positions is None:
            return None
        rows: IntArray = np.searchsorted(self.history.indptr, self.positions, side="right") - 1
        return rows


class Batches(Protocol):
    """The batches of one epoch; each may be made more than once."""

    @property
    def n_examples(self) -> int:
        """Return the examples of all batches together."""

    @property
    def n_sequences(self) -> int:
        """Return what the batches are drawn from: sequences of examples, or single examples."""

    def target_counts(self) -> IntArray:
        """Return of how many of them each item is the target, int64 (n_items,)."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...

    def __getitem__(self, place: int) -> Batch:
        """Return batch ``place``, from 0."""


class EpochBatches:
    """The batches of one epoch: every training event is a target once, in random order.

    In an ordered log the history is the ``max_history`` events before the target. In any other
    log it is as many of the user's other events, drawn anew each epoch. An event with the target's
    own item is left out of the history, so a repeated item cannot give the target away.

    All that is random is drawn at the start, so a batch may be made more than once.
    """

    def __init__(
        self, train: Interactions, batch_size: int, max_history: int, random: np.random.Generator
    ) -> None:
        """Draw the order of targets and, of a log without order, that of each user's events."""
        self._train, self._batch_size, self._max_history = train, batch_size, max_history
        self._order = random.permutation(train.n_events)
        self._users = train.user_ids
        self._has_fields = train.query_schema is not None
        self._shuffled: IntArray | None = None
        self._items = np.require(train.item_ids, np.int64, ["C", "W"])  # as the kernel takes it
        if not train.ordered:
            keys = random.random(train.n_events)
            self._shuffled = np.lexsort((keys, self._users))  # each user's events in random order
            self._items = train.item_ids[self._shuffled]

    @property
    def n_examples(self) -> int:
        """Return the number of events."""
        return self._train.n_events

    @property
    def n_sequences(self) -> int:
        """Return the number of events: each comes by itself."""
        return self._train.n_events

    def target_counts(self) -> IntArray:
        """Return the events of each item, int64 (n_items,)."""
        return np.bincount(self._train.item_ids, minlength=self._train.n_items)

    def __len__(self) -> int:
        return math.ceil(self._train.n_events / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int) -> Batch:
        """Return batch ``place``, from 0."""
        start = place * self._batch_size
        places = self._order[start : start + self._batch_size]
        users, train = self._users[places], self._train
        first, after = train.events.indptr[users], train.events.indptr[users + 1]
        history = Lists(
            *_histories(self._items, places, first, after, self._max_history, train.ordered)
        )
        fields = None
        if self._has_fields:
            events = places if self._shuffled is None else self._shuffled[places]
            fields = train.query_fields(events)
        return Batch(self._items[places], history, fields)


def epoch_batches(
    train: Interactions, batch_size: int, max_history: int, random: np.random.Generator
) -> Iterator[Batch]:
    """Yield the batches of one epoch; see `EpochBatches`."""
    yield from EpochBatches(train, batch_size, max_history, random)


def serving_history(queries: Queries, ordered: bool, max_history: int) -> Lists:
    """Return the history a query is encoded from: the last events of an ordered log, else all."""
    return queries.history.tail(max_history) if ordered else queries.history


# With a signature numba compiles on import, so that no timed fit pays for it.
_V = "int64[::1]"


@numba.njit(f"UniTuple({_V},2)({_V},{_V},{_V},{_V},int64,boolean)", cache=True, nogil=True)
def _histories(
    items: IntArray,
    places: IntArray,
    first: IntArray,
    after: IntArray,
    max_history: int,
    ordered: bool,
) -> tuple[IntArray, IntArray]:
    """Return ``indptr`` (n + 1,) and ``ids`` of the histories of the targets at n places.

    ``items`` are those of all events, each user's between its ``first`` and ``after``. Of an
    ordered log the events before the target are taken; of another those after it, going round,
    which never come to the target itself.
    """
    n = places.size
    lengths = places - first if ordered else after - first - 1
    lengths = np.minimum(lengths, max_history)
    indptr, ids = np.zeros(n + 1, np.int64), np.empty(lengths.sum(), np.int64)
    count = 0
    for row in range(n):
        target = items[places[row]]
        start = places[row] - lengths[row] if ordered else places[row] + 1
        for where in range(start, start + lengths[row]):
            item = items[where if where < after[row] else where - (after[row] - first[row])]
            if item != target:
                ids[count] = item
                count += 1
        indptr[row + 1] = count
    return indptr, ids[:count].copy()

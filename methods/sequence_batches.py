"""Training sequences -> batches in which every position of a sequence is an example."""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from harness.interactions import Interactions
from harness.lists import IntArray, Lists
from methods.batches import Batch

Windows = Literal["last", "all"]


class SequenceBatches:
    """The batches of one epoch of an ordered log: sequences in random order, all their positions.

    A sequence is a window of at most ``max_history`` events of one user that are followed by
    another event; at each of its positions the target is the event that follows, and the history
    is the window up to there. With ``windows = "last"`` a user has one window, the last, and events
    before it are not trained on, as SASRec has it. With ``"all"`` windows are laid end to end from
    the last event backwards, so that every event but a user's first is a target once; the first
    target of a window that is not the user's first has one event of history.

    A user's first event has no history and is no target. Nor is an item that the window holds
    already at or before the position, so that a target is never in its own history.
    """

    def __init__(
        self,
        train: Interactions,
        batch_size: int,
        max_history: int,
        random: np.random.Generator,
        windows: Windows = "last",
    ) -> None:
        """Cut the windows and draw their order; a batch has ``batch_size`` of them."""
        self._train, self._batch_size = train, batch_size
        first, lengths = cut_windows(train.events, max_history, windows)
        targets = _within(first, lengths) + 1
        of_window = np.repeat(np.arange(len(first)), lengths)
        fresh = _event_before(train)[targets] < first[of_window]
        self._is_target = np.zeros(train.n_events, np.bool_)
        self._is_target[targets[fresh]] = True
        self.n_examples = int(fresh.sum())
        kept = np.flatnonzero(np.bincount(of_window[fresh], minlength=len(first)))
        order = random.permutation(kept)
        self._first, self._lengths = first[order], lengths[order]
        self.n_sequences = len(order)  # each with a target at least

    def target_counts(self) -> IntArray:
        """Return how many of an item's events are targets, int64 (n_items,)."""
        return np.bincount(self._train.item_ids[self._is_target], minlength=self._train.n_items)

    def __len__(self) -> int:
        return math.ceil(len(self._first) / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int) -> Batch:
        """Return batch ``place``, from 0."""
        chosen = slice(place * self._batch_size, (place + 1) * self._batch_size)
        first, lengths = self._first[chosen], self._lengths[chosen]
        events = _within(first, lengths)
        positions = np.flatnonzero(self._is_target[events + 1])
        targets = events[positions] + 1
        return Batch(
            self._train.item_ids[targets],
            Lists(_indptr(lengths), self._train.item_ids[events]),
            self._train.query_fields(targets),
            positions,
        )


def cut_windows(events: Lists, max_history: int, windows: Windows) -> tuple[IntArray, IntArray]:
    """Return the first event of each window and its length, int64 (n_windows,); none is empty.

    >>> first, lengths = cut_windows(Lists.of([[7] * 6, [7]]), 2, "all")
    >>> first.tolist(), lengths.tolist()
    ([0, 1, 3], [1, 2, 2])
    """
    n_followed = np.maximum(events.lengths - 1, 0)
    ends = events.indptr[:-1] + n_followed
    n_windows = -(-n_followed // max_history)
    if windows == "last":
        n_windows = np.minimum(n_windows, 1)
    users = np.repeat(np.arange(len(events)), n_windows)
    from_last = n_windows[users] - 1 - _within(np.zeros_like(n_windows), n_windows)
    after = ends[users] - from_last * max_history
    first = np.maximum(after - max_history, events.indptr[users])
    return first, after - first


def _within(first: IntArray, lengths: IntArray) -> IntArray:
    """Return ``first[r], first[r] + 1, ...``, ``lengths[r]`` of them, for each r in turn."""
    starts = np.cumsum(lengths) - lengths
    shifts: IntArray = np.repeat(first - starts, lengths)
    shifts += np.arange(len(shifts))
    return shifts


def _indptr(lengths: IntArray) -> IntArray:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))


def _event_before(train: Interactions) -> IntArray:
    """Return for each event the user's last event before it with the same item, or -1."""
    users, items = train.user_ids, train.item_ids
    order = np.lexsort((items, users))  # stable: events of one user and item stay in time order
    again = np.flatnonzero((np.diff(users[order]) == 0) & (np.diff(items[order]) == 0))
    before = np.full(train.n_events, -1, np.int64)
    before[order[again + 1]] = order[again]
    return before

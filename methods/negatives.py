"""Negatives: items drawn for a batch, with the odds of each draw and what does not count."""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt
import torch

from harness.arrays import Array
from harness.interactions import Interactions
from harness.lists import IntArray, Lists
from methods.batches import Batches
from methods.seen import Seen

NegativesName = Literal["uniform", "popularity", "mixed", "in_batch", "uniform_in_batch"]
BoolArray = npt.NDArray[np.bool_]
IN_BATCH = ("in_batch", "uniform_in_batch")


@dataclass(frozen=True, slots=True)
class Negatives:
    """m negatives shared by the n examples of a batch, or m for each of them.

    Attributes
    ----------
    items : int64 (m,), or (n, m) of own ones; the first ``n_uniform`` are uniform draws.
    log_expected : float32, of the shape of ``items``: log of the expected number of times each item
        is drawn.
    n_uniform : how many were drawn uniformly, of own ones in each row.
    excluded_rows, excluded_columns : int64 (p,), the pairs of example and negative that do not
        count: the example's target, where asked for what it has seen, and the batch's targets that
        are of its own sequence. Rows ascend.
    are_catalogue : whether ``items`` are all items, each at its own place.
    """

    items: IntArray
    log_expected: torch.Tensor
    n_uniform: int
    excluded_rows: IntArray
    excluded_columns: IntArray
    are_catalogue: bool = False

    @property
    def are_own(self) -> bool:
        """Return whether each example has its own."""
        return self.items.ndim == 2

    def excluded(self, n: int, device: torch.device) -> torch.Tensor:
        """Return the pairs of n examples that do not count, as bool (n, m) on a device."""
        mask = torch.zeros((n, self.items.shape[-1]), dtype=torch.bool, device=device)
        mask[self.excluded_pairs(device)] = True
        return mask

    def excluded_pairs(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``excluded_rows`` and ``excluded_columns`` on a device."""
        rows, columns = (
            torch.from_numpy(one).to(device, non_blocking=True)
            for one in (self.excluded_rows, self.excluded_columns)
        )
        return rows, columns


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is drawn; see `methods.training.TrainingParams`."""

    n_negatives: int
    kind: NegativesName = "mixed"
    own: bool = False
    popularity_exponent: float = 1.0


class NegativeSampler:
    """Draws negatives, with replacement, from the catalogue, the batch or both.

    ``uniform``: every item alike. ``popularity``: by the item's number of events to the power
    ``popularity_exponent``; an item without events never comes. ``mixed``: half uniformly, of an
    odd m the odd one too, and half by popularity; no item is expected less than m / (2 n_items)
    times, so the log-Q correction stays bounded. Where m reaches the catalogue every item is taken
    once in place of these, unless examples draw their own.

    ``in_batch``: the targets of the batch, m = n of them. An item is expected as often as the n - 1
    other examples have it when they are drawn from the other examples of an epoch: not from all
    events, for a user's first, say, may be no target, see `expect_targets`; where it is the target
    of several examples it stands there as often. ``uniform_in_batch``: uniform draws, and
    the targets of the batch behind them.

    In a batch of b of an epoch's S sequences the targets of an example's own sequence come for
    certain, not by lot, so none of them is its negative. The b - 1 other sequences are drawn from
    the other S - 1, whatever their lengths: an item that is the target c times in an epoch is
    expected in them c (b - 1) / (S - 1) times. One number serves the whole batch, and it is exact
    but for the other targets of an example's own sequence: other sequences have these c - 1 times,
    so of their terms the partition sum lacks a share of 1 / c, of less beside uniform draws.

    References
    ----------
    Yi et al., RecSys 2019 (in-batch); Yang et al., "Mixed Negative Sampling for Learning Two-tower
    Neural Networks in Recommendations", WWW 2020 (uniform and in-batch).
    """

    def __init__(
        self, train: Interactions, sampling: Sampling | int, random: np.random.Generator
    ) -> None:
        """Count the items of ``train``; a number stands for so many shared, mixed ones.

        Every event counts as the target of one example, drawn by itself, until `expect_targets`
        says otherwise.
        """
        if isinstance(sampling, int):
            sampling = Sampling(sampling)
        self._sampling, self._random = sampling, random
        self._n_items = train.n_items
        counts = np.bincount(train.item_ids, minlength=train.n_items)
        self._target_counts, self._n_sequences = counts, train.n_events
        weights = counts.astype(np.float64) ** sampling.popularity_exponent
        share = weights / weights.sum()
        self._popularity = np.cumsum(share)
        m = sampling.n_negatives
        self._n_uniform = {"popularity": 0, "mixed": (m + 1) // 2, "in_batch": 0}.get(
            sampling.kind, m
        )
        self._n_popular = 0 if sampling.kind in IN_BATCH else m - self._n_uniform
        self._expected = self._n_uniform / train.n_items + self._n_popular * share

    @property
    def takes_everything(self) -> bool:
        """Return whether the negatives are the catalogue."""
        one = self._sampling
        return one.n_negatives >= self._n_items and not one.own and one.kind not in IN_BATCH

    def expect_targets(self, batches: Batches) -> None:
        """Take the odds of the batch's own targets from the batches that are to come."""
        if self._sampling.kind in IN_BATCH:
            self._target_counts, self._n_sequences = batches.target_counts(), batches.n_sequences

    def draw(
        self,
        targets: IntArray,
        seen: Seen | Lists | None = None,
        sequences: IntArray | None = None,
    ) -> Negatives:
        """Draw the negatives of one batch, whose targets, int64 (n,), do not count for their row.

        Nor does what ``seen`` holds for it, nor a target of the batch whose number in
        ``sequences``, int64 (n,), rising, is the row's; None: each example comes by itself.
        """
        if seen is not None and len(seen) != len(targets):
            raise ValueError(f"seen items of {len(seen)} examples, expected {len(targets)}")
        if not isinstance(seen, Seen):
            seen = Seen.of(Lists.empty(len(targets)) if seen is None else seen)
        wanted = np.require(targets, np.int64, ["C", "W"]), seen.starts, seen.ends, seen.ids
        none = np.zeros(len(targets), np.int64)
        if self._sampling.own:
            items = self._from_catalogue(len(targets))
            rows, columns = np.nonzero(_own_hits(items, *wanted, seen.rising, self._n_items))
            log_expected = _log(self._expected[items])
            return Negatives(items, log_expected, self._n_uniform, rows, columns)
        if self.takes_everything:
            everything = np.arange(self._n_items)
            pairs = _shared_pairs(everything, *wanted, none, none, self._n_items)
            zeros = torch.zeros(self._n_items)
            return Negatives(everything, zeros, self._n_items, *pairs, are_catalogue=True)
        items, expected = self._shared(targets, sequences)
        own = none, none
        if sequences is not None and self._sampling.kind in IN_BATCH:
            own = _own_columns(sequences, self._n_uniform)
        pairs = _shared_pairs(items, *wanted, *own, self._n_items)
        return Negatives(items, _log(expected), self._n_uniform, *pairs)

    def _shared(self, targets: IntArray, sequences: IntArray | None) -> tuple[IntArray, Array]:
        """Return items (m,) and how often each is expected."""
        drawn = self._from_catalogue(1)[0]
        if self._sampling.kind not in IN_BATCH:
            return drawn, self._expected[drawn]
        items = np.concatenate((drawn, targets))
        n = len(targets if sequences is None else np.unique(sequences))
        others = max(n - 1, 0) / max(self._n_sequences - 1, 1)
        return items, self._expected[items] + self._target_counts[items] * others

    def _from_catalogue(self, n: int) -> IntArray:
        """Return n rows of draws, int64, the uniform ones first."""
        uniform = self._random.integers(self._n_items, size=(n, self._n_uniform))
        draws = self._random.random((n, self._n_popular))
        popular = np.minimum(np.searchsorted(self._popularity, draws), self._n_items - 1)
        return np.concatenate((uniform, popular), axis=1)


def _log(expected: Array) -> torch.Tensor:
    """Return logarithms, float32; of what is never expected, that of a number near 0."""
    least = np.finfo(np.float32).tiny
    return torch.from_numpy(np.log(np.maximum(expected, least)).astype(np.float32))


def _own_columns(sequences: IntArray, n_uniform: int) -> tuple[IntArray, IntArray]:
    """Return for each row the first column of its own sequence, and the one after its last."""
    first = n_uniform + np.searchsorted(sequences, sequences, side="left")
    return first, n_uniform + np.searchsorted(sequences, sequences, side="right")


# With a signature numba compiles on import, so that no timed fit pays for it.
_V = "int64[::1]"


@numba.njit(f"UniTuple({_V},2)({_V},{_V},{_V},{_V},{_V},{_V},{_V},int64)", cache=True, nogil=True)
def _shared_pairs(
    items: IntArray,
    targets: IntArray,
    starts: IntArray,
    ends: IntArray,
    seen: IntArray,
    own_first: IntArray,
    own_after: IntArray,
    n_items: int,
) -> tuple[IntArray, IntArray]:
    """Return rows, ascending, and columns of what does not count.

    That is the columns of a row's target and seen items, and from ``own_first`` those before
    ``own_after``. Each item has a chain of the columns that it stands in, so the cost goes with the
    items seen.
    """
    first, following = np.full(n_items, -1, np.int64), np.empty(items.size, np.int64)
    for column in range(items.size - 1, -1, -1):
        following[column] = first[items[column]]
        first[items[column]] = column
    rows, columns = np.empty(0, np.int64), np.empty(0, np.int64)
    for writes in (False, True):
        count = 0
        for row in range(targets.size):
            for place in range(starts[row] - 1, ends[row]):
                item = targets[row] if place < starts[row] else seen[place]
                column = first[item]
                while column >= 0:
                    if not own_first[row] <= column < own_after[row]:
                        if writes:
                            rows[count], columns[count] = row, column
                        count += 1
                    column = following[column]
            for column in range(own_first[row], own_after[row]):
                if writes:
                    rows[count], columns[count] = row, column
                count += 1
        if not writes:
            rows, columns = np.empty(count, np.int64), np.empty(count, np.int64)
    return rows, columns


@numba.njit(
    f"boolean[:,::1](int64[:,::1],{_V},{_V},{_V},{_V},boolean,int64)", cache=True, nogil=True
)
def _own_hits(
    items: IntArray,
    targets: IntArray,
    starts: IntArray,
    ends: IntArray,
    seen: IntArray,
    rising: bool,
    n_items: int,
) -> BoolArray:
    """Return which of a row's items (n, m) are its target or seen, bool (n, m).

    Where what was seen rises and is long beside m, each item is looked up in it by halving; else
    all of it is marked first.
    """
    n, m = items.shape
    stamp, hits = np.full(n_items, -1, np.int64), np.empty((n, m), np.bool_)
    for row in range(n):
        start, end = starts[row], ends[row]
        if rising and m * np.log2(end - start + 1) < end - start:
            own = seen[start:end]
            for column in range(m):
                place = np.searchsorted(own, items[row, column])
                met = place < own.size and own[place] == items[row, column]
                hits[row, column] = met or items[row, column] == targets[row]
            continue
        stamp[targets[row]] = row
        for place in range(start, end):
            stamp[seen[place]] = row
        for column in range(m):
            hits[row, column] = stamp[items[row, column]] == row
    return hits

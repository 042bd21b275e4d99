"""Negatives: items drawn for a batch, with the odds of each draw and what does not count."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from harness.arrays import Array
from harness.interactions import Interactions
from harness.lists import IntArray, Lists

NegativesName = Literal["uniform", "popularity", "mixed", "in_batch", "uniform_in_batch"]
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
        count: the example's target and, where asked for, what it has seen. Rows ascend.
    """

    items: IntArray
    log_expected: torch.Tensor
    n_uniform: int
    excluded_rows: IntArray
    excluded_columns: IntArray

    @property
    def are_own(self) -> bool:
        """Return whether each example has its own."""
        return self.items.ndim == 2

    def excluded(self, n: int, device: torch.device) -> torch.Tensor:
        """Return the pairs of n examples that do not count, as bool (n, m) on a device."""
        mask = torch.zeros((n, self.items.shape[-1]), dtype=torch.bool, device=device)
        rows, columns = (
            torch.from_numpy(one).to(device, non_blocking=True)
            for one in (self.excluded_rows, self.excluded_columns)
        )
        mask[rows, columns] = True
        return mask


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
    other events have it when they are drawn from the other events of the log; where it is the
    target of several examples it stands there as often. ``uniform_in_batch``: uniform draws, and
    the targets of the batch behind them.

    References
    ----------
    Yi et al., RecSys 2019 (in-batch); Yang et al., "Mixed Negative Sampling for Learning Two-tower
    Neural Networks in Recommendations", WWW 2020 (uniform and in-batch).
    """

    def __init__(
        self, train: Interactions, sampling: Sampling | int, random: np.random.Generator
    ) -> None:
        """Count the items of ``train``; a number stands for so many shared, mixed ones."""
        if isinstance(sampling, int):
            sampling = Sampling(sampling)
        self._sampling, self._random = sampling, random
        self._n_items, self._n_events = train.n_items, train.n_events
        self._counts = np.bincount(train.item_ids, minlength=train.n_items).astype(np.float64)
        weights = self._counts**sampling.popularity_exponent
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

    def draw(self, targets: IntArray, seen: Lists | None = None) -> Negatives:
        """Draw the negatives of one batch, whose targets, int64 (n,), do not count for their row.

        Nor does what ``seen``, n lists, holds for it.
        """
        if seen is not None and len(seen) != len(targets):
            raise ValueError(f"seen items of {len(seen)} examples, expected {len(targets)}")
        rows, ids = np.arange(len(targets)), targets
        if seen is not None:
            rows, ids = np.concatenate((rows, seen.rows)), np.concatenate((ids, seen.ids))
        if self._sampling.own:
            return self._own(len(targets), rows, ids)
        if self.takes_everything:
            items: IntArray = np.arange(self._n_items)
            expected: Array = np.ones(self._n_items)
            n_uniform, pairs = self._n_items, (rows, ids)
        else:
            items, expected = self._shared(targets)
            n_uniform, pairs = self._n_uniform, _equal_pairs(rows, ids, items)
        order = np.argsort(pairs[0], kind="stable")
        return Negatives(items, _log(expected), n_uniform, pairs[0][order], pairs[1][order])

    def _shared(self, targets: IntArray) -> tuple[IntArray, Array]:
        """Return items (m,) and how often each is expected."""
        drawn = self._from_catalogue(1)[0]
        if self._sampling.kind not in IN_BATCH:
            return drawn, self._expected[drawn]
        items = np.concatenate((drawn, targets))
        others, events = max(len(targets) - 1, 0), max(self._n_events - 1, 1)
        return items, self._expected[items] + self._counts[items] * (others / events)

    def _own(self, n: int, rows: IntArray, ids: IntArray) -> Negatives:
        """Draw m for each of n examples; pairs (``rows``, ``ids``) do not count."""
        items = self._from_catalogue(n)
        excluded = np.unique(rows * self._n_items + ids)
        keys = np.arange(n)[:, None] * self._n_items + items  # (n, m)
        places = np.minimum(np.searchsorted(excluded, keys), max(len(excluded) - 1, 0))
        hit = np.nonzero(excluded[places] == keys) if len(excluded) else (rows[:0], rows[:0])
        return Negatives(items, _log(self._expected[items]), self._n_uniform, *hit)

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


def _equal_pairs(rows: IntArray, ids: IntArray, items: IntArray) -> tuple[IntArray, IntArray]:
    """Return rows and columns of all pairs (``rows[p]``, c) with ``items[c] == ids[p]``."""
    order = np.argsort(items, kind="stable")
    first = np.searchsorted(items, ids, side="left", sorter=order)
    counts = np.searchsorted(items, ids, side="right", sorter=order) - first
    starts = np.cumsum(counts) - counts
    within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
    return np.repeat(rows, counts), order[np.repeat(first, counts) + within]

"""Negatives: items drawn once per batch, shared by its examples, with the odds of each draw."""

from dataclasses import dataclass

import numpy as np
import torch

from harness.interactions import Interactions
from harness.lists import IntArray


@dataclass(frozen=True, slots=True)
class Negatives:
    """m shared negatives.

    Attributes
    ----------
    items : int64 (m,); the first ``n_uniform`` are uniform draws.
    log_expected : float32 (m,), log of the expected number of times each item is drawn.
    n_uniform : how many were drawn uniformly.
    """

    items: IntArray
    log_expected: torch.Tensor
    n_uniform: int


class NegativeSampler:
    """Draws half the negatives uniformly and half by popularity, with replacement.

    With m draws no item is expected less than m / (2 n_items) times, so the correction stays
    bounded; of an odd m the odd one is uniform. Where m reaches the catalogue every item is
    taken once instead, and the sampled softmax is the full one.
    """

    def __init__(self, train: Interactions, n_negatives: int, random: np.random.Generator) -> None:
        """Count the items of ``train``; ``n_negatives`` are drawn per batch."""
        counts = np.bincount(train.item_ids, minlength=train.n_items).astype(np.float64)
        share = counts / counts.sum()
        self._popularity = np.cumsum(share)
        self._n_items, self._m, self._random = train.n_items, n_negatives, random
        self._n_uniform = (n_negatives + 1) // 2
        expected = self._n_uniform / train.n_items + (n_negatives - self._n_uniform) * share
        self._log_expected = np.log(expected).astype(np.float32)

    def draw(self) -> Negatives:
        """Draw the negatives of one batch."""
        if self._m >= self._n_items:
            everything = np.arange(self._n_items)
            return Negatives(everything, torch.zeros(self._n_items), self._n_items)
        uniform = self._random.integers(self._n_items, size=self._n_uniform)
        draws = self._random.random(self._m - self._n_uniform)
        popular = np.minimum(np.searchsorted(self._popularity, draws), self._n_items - 1)
        items = np.concatenate((uniform, popular))
        return Negatives(items, torch.from_numpy(self._log_expected[items]), self._n_uniform)

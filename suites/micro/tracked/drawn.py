"""Posting lists, queries and scores that are drawn, the same in every process."""

from functools import cache

import numpy as np

from harness.lists import Lists
from methods.sparcode.index.postings import Postings

N_ITEMS, N_LISTS, LENGTH, WIDTH = 50_000, 1_024, 256, 8


@cache
def make_postings():
    """Return N_LISTS lists of LENGTH distinct items each, scores whole numbers from 1 to 4095.

    Items lean to small ids, as places by popularity do.
    """
    random = np.random.default_rng(0)
    items = np.empty((N_LISTS, LENGTH), np.int32)
    for row in range(N_LISTS):
        drawn = (N_ITEMS * random.random(2 * LENGTH) ** 2).astype(np.int64)
        drawn = np.unique(drawn)
        items[row] = np.sort(random.permutation(drawn)[:LENGTH])
    scores = random.integers(1, 4096, items.size).astype(np.float32)
    starts = np.arange(N_LISTS + 1, dtype=np.int64) * LENGTH
    return Postings(starts, items.ravel(), scores)


def make_queries(n):
    """Return the lists of n queries, int64 (n, WIDTH), and nothing hidden."""
    random = np.random.default_rng(1)
    return random.integers(N_LISTS, size=(n, WIDTH)), Lists.empty(n)


def popularity():
    return np.arange(N_ITEMS, 0, -1)

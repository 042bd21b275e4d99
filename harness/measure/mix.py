"""Mix: which test queries a load sends, and in which order."""

import math
from collections.abc import Iterator

import numpy as np

from harness.lists import IntArray
from harness.measure.load_spec import LoadSpec

MIN_SPARE = 20  # queries that suffice to warm up without touching the timed ones
MAX_SPARE = 1000


def choose_rows(spec: LoadSpec, history_lengths: IntArray, random: np.random.Generator) -> IntArray:
    """Return the different test queries that the load sends, int64, in random order.

    Parameters
    ----------
    history_lengths : int64 (n,), items in the history of each test query; ``head`` and ``tail``
        go by it, the earlier query first where lengths are equal.
    """
    n = history_lengths.size
    rows = np.arange(n, dtype=np.int64)
    if spec.mix in ("head", "tail"):
        sign = -1 if spec.mix == "head" else 1
        n_pool = max(1, math.ceil(spec.mix_share * n))
        rows = np.argsort(sign * history_lengths, kind="stable")[:n_pool].astype(np.int64)
    return random.permutation(rows)[: spec.queries or n]


def spare_rows(n: int, rows: IntArray, random: np.random.Generator) -> IntArray:
    """Return test queries to warm up with, in random order: none of ``rows`` if enough are left."""
    others = np.setdiff1d(np.arange(n, dtype=np.int64), rows)
    return random.permutation(others if others.size >= MIN_SPARE else rows)[:MAX_SPARE]


def rounds(spec: LoadSpec, n: int, random: np.random.Generator) -> Iterator[IntArray]:
    """Yield orders of n different queries without end, int64 (n,) each.

    A round of ``zipf`` is n draws with replacement; of the other mixes each query comes once.
    """
    weights = np.arange(1, n + 1, dtype=np.float64) ** -spec.zipf_exponent
    weights /= weights.sum()
    while True:
        if spec.mix == "zipf":
            yield random.choice(n, size=n, p=weights).astype(np.int64)
        else:
            yield random.permutation(n).astype(np.int64)


def first_sends(spec: LoadSpec, n: int, n_sends: int, random: np.random.Generator) -> IntArray:
    """Return the first ``n_sends`` of the rounds, int64 (n_sends,)."""
    orders = rounds(spec, n, random)
    return np.concatenate([next(orders) for _ in range(math.ceil(n_sends / n))])[:n_sends]

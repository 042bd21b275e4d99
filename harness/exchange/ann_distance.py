"""Distances as ann-benchmarks defines them, of returned items from their queries."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from harness.errors import ExchangeError
from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID

_BLOCK = 4_000_000  # numbers gathered at once


Numbers = npt.NDArray[np.float64]


def distances_of(
    ids: IntArray, items: FloatArray, queries: FloatArray, distance: str
) -> FloatArray:
    """Return the distance of each returned item, float32 (n, k), inf for pads.

    Parameters
    ----------
    ids : int64 (n, k).
    items, queries : float (n_items, dim), (n, dim), as the data file holds them.
    distance : ``angular``, ``euclidean`` or an inner product (``ip``, ``dot``), negated.

    Raises
    ------
    ExchangeError
        Another distance.
    """
    if distance not in DISTANCES:
        raise ExchangeError(f"distance {distance!r}; expected one of {', '.join(DISTANCES)}")
    compute = DISTANCES[distance]
    found = np.full(ids.shape, np.inf, np.float32)
    step = max(1, _BLOCK // max(1, ids.shape[1] * items.shape[1]))
    for start in range(0, len(ids), step):
        rows = slice(start, start + step)
        near = items[np.maximum(ids[rows], 0)].astype(np.float64)  # (step, k, dim)
        asked = queries[rows, None, :].astype(np.float64)
        found[rows] = np.where(ids[rows] == PAD_ID, np.inf, compute(near, asked))
    return found


def _angular(near: Numbers, asked: Numbers) -> Numbers:
    lengths = np.linalg.norm(near, axis=-1) * np.linalg.norm(asked, axis=-1)
    return np.asarray(1 - (near * asked).sum(axis=-1) / np.maximum(lengths, 1e-30))


def _euclidean(near: Numbers, asked: Numbers) -> Numbers:
    return np.asarray(np.linalg.norm(near - asked, axis=-1))


def _inner(near: Numbers, asked: Numbers) -> Numbers:
    return np.asarray(-(near * asked).sum(axis=-1))


DISTANCES: Mapping[str, Callable[[Numbers, Numbers], Numbers]] = {
    "angular": _angular,
    "euclidean": _euclidean,
    "ip": _inner,
    "dot": _inner,
}

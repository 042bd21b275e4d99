"""Repeats: which of many vectors lie within a distance of an earlier one, without all distances."""

import math

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray

Float64Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def repeats(vectors: npt.NDArray[np.floating], distance: float) -> Mask:
    """Say which vectors (n, d) are within ``distance`` of one before them, bool (n,).

    Vectors that near differ by no more in their inner product with a vector of length 1. So all are
    sorted by such a product, and each is compared with those whose product is as near, exactly, in
    float64, until an earlier one is found. Cost: n log n, and n d for each other vector that is
    near by its product alone, few of a fixed direction drawn by lot; memory is that of the vectors
    in float64. A vector that repeats one that itself repeats another counts as well.
    """
    given = np.asarray(vectors, np.float64)
    direction = np.random.default_rng(0).standard_normal(given.shape[1])
    along = given @ (direction / np.linalg.norm(direction))
    order = np.argsort(along, kind="stable")
    room = distance * (1 + 1e-6) + 1e-12 * float(np.abs(along).max(initial=0.0))  # for rounding
    found: Mask = _repeats(np.ascontiguousarray(given[order]), along[order], order, distance, room)
    return found


# With a signature numba compiles on import, so that no timed build pays for it.
@numba.njit(
    "bool_[::1](float64[:,::1], float64[::1], int64[::1], float64, float64)", cache=True, nogil=True
)
def _repeats(
    vectors: Float64Array, along: Float64Array, order: IntArray, distance: float, room: float
) -> Mask:
    found = np.zeros(along.size, np.bool_)
    for at in range(along.size):
        for step in (-1, 1):
            other = at + step
            while 0 <= other < along.size and abs(along[other] - along[at]) <= room:
                if order[other] < order[at]:
                    total = 0.0
                    for d in range(vectors.shape[1]):
                        total += (vectors[other, d] - vectors[at, d]) ** 2
                    if math.sqrt(total) <= distance:
                        found[order[at]] = True
                        break
                other += step
            if found[order[at]]:
                break
    return found

"""Shares: the weights kept for each item, made to sum to 1."""

import numpy as np

from harness.lists import FloatArray, Lists


def shares(weights: FloatArray, lists: Lists) -> FloatArray:
    """Return each weight divided by the sum of its row of ``lists``, float32.

    A row whose weights have all vanished in single precision, as a high power makes them, keeps
    them at 0.

    >>> weights = np.array([3, 1, 0, 0], np.float32)
    >>> shares(weights, Lists.of([[5, 6], [7, 8], []])).tolist()
    [0.75, 0.25, 0.0, 0.0]
    """
    sums = np.bincount(lists.rows, weights=weights, minlength=len(lists))
    sums[sums == 0] = 1
    return np.asarray(weights / sums[lists.rows], np.float32)

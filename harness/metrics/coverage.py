"""Catalogue coverage@k: the share of items that a whole run ever offers."""

import numpy as np

from harness.lists import IntArray


def coverage(ids: IntArray, n_items: int, k: int) -> float:
    """Return distinct items in the top k of all queries / n_items.

    ``ids`` is int64 (n, width), best first; pads and unknown ids count for nothing. It grows with
    the number of queries, so only runs over the same queries compare.

    References
    ----------
    Herlocker, Konstan, Terveen and Riedl, TOIS 22(1), 2004, section 4.2.1.
    """
    top = ids[:, :k]
    seen = np.zeros(n_items, np.bool_)
    seen[top[(top >= 0) & (top < n_items)]] = True
    return float(seen.sum()) / n_items

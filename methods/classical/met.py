"""Who met what: the user-item log as a set of pairs, in the forms that classical methods take."""

import numpy as np
from scipy.sparse import csr_array

from harness.interactions import Interactions
from harness.lists import IntArray, Lists


def distinct(events: Lists, n_items: int) -> Lists:
    """Return the lists with each id once, ascending."""
    keys = np.unique(events.rows * n_items + events.ids)
    return Lists.from_pairs(keys // n_items, keys % n_items, len(events))


def most_neighbours(users: Lists, n_items: int, n: int) -> int:
    """Return how many neighbours all items have at most, where n are kept of each.

    ``users`` are `distinct`; an item has no more neighbours than its users have other items.

    >>> most_neighbours(Lists.of([[0, 1], [0, 1, 2], [3]]), 4, 2)
    6
    """
    others = (users.lengths - 1)[users.rows]
    met = np.bincount(users.ids, weights=others, minlength=n_items)
    return int(np.minimum(met, min(n, n_items)).sum())


def met_matrix(train: Interactions) -> csr_array:
    """Return 1 where a user has met an item, float32 (n_users, n_items), columns ascending."""
    return rows_of_ones(distinct(train.events, train.n_items), train.n_items)


def rows_of_ones(lists: Lists, n_columns: int) -> csr_array:
    """Return a row for each list with 1 at its ids, which are distinct, float32."""
    ones = np.ones(lists.ids.size, np.float32)
    return csr_array((ones, lists.ids, lists.indptr), (len(lists), n_columns))


def plain(lists: Lists) -> tuple[IntArray, IntArray]:
    """Return both arrays as compiled kernels take them: contiguous and writable."""
    return np.require(lists.indptr, None, ["C", "W"]), np.require(lists.ids, None, ["C", "W"])

"""Seen: what each example of a batch has met, and so is no negative of it."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from harness.lists import IntArray, Lists


@dataclass(frozen=True, slots=True)
class Seen:
    """What n examples have met, as stretches of one array, which are not copied.

    Attributes
    ----------
    starts, ends : int64 (n,), example r has met ``ids[starts[r]:ends[r]]``.
    ids : int64, items.
    rising : whether no stretch falls, so that an item can be looked up by halving.
    """

    starts: IntArray
    ends: IntArray
    ids: IntArray
    rising: bool = False

    @classmethod
    def of(cls, lists: Lists) -> Self:
        """Return n lists as they are."""
        return cls(lists.indptr[:-1], lists.indptr[1:], lists.ids)

    @classmethod
    def of_rows(cls, lists: Lists, rows: IntArray) -> Self:
        """Return the lists of the given rows, int64 (n,), of lists that `in_rising_order` made."""
        return cls(lists.indptr[rows], lists.indptr[rows + 1], lists.ids, rising=True)

    def __len__(self) -> int:
        return self.starts.size

    def row(self, index: int) -> IntArray:
        """Return what example ``index`` has met, as a view."""
        return self.ids[self.starts[index] : self.ends[index]]


def in_rising_order(lists: Lists) -> Lists:
    """Return the lists with the ids of each in rising order."""
    return Lists(lists.indptr, lists.ids[np.lexsort((lists.ids, lists.rows))])

"""State: the addresses and sizes of a worker, as one array."""

from enum import IntEnum
from typing import Any

import numba

from harness.lists import IntArray
from methods.compiling import Number, into_callers
from methods.sparcode.serving.packed_kernel.intrinsics import pointer

Words = Any  # an array of whole numbers of some width
_carray: Any = numba.carray  # type: ignore[attr-defined]


class State(IntEnum):
    """Where the addresses and sizes of one worker stand in its row, int64 (len(State),)."""

    STARTS = 0  # int64 (n_lists + 1,)
    ENTRIES = 1  # uint32 (n_postings,)
    ITEMS = 2  # int32 (n_items,), item of a place
    PLACES = 3  # int32 (n_items,), place of an item
    TOTALS = 4  # uint16 (n_items rounded up to LANES,), all zero between queries
    SUMS = 5  # uint16 (room + LANES,)
    FOUND = 6  # uint32 (room + LANES,)
    KEYS = 7  # uint64 (room + LANES,)
    SPARE = 8  # uint64 (room + LANES,)
    N_LISTS = 9
    N_ITEMS = 10
    IMPACT_BITS = 11
    DENSE_FROM = 12  # postings of a query from which the collection is dense
    ROOM = 13
    READABLE = 14  # bool (n_lists,), lists that may be read; 0: all may


# numba reads a member of an enumeration as one; plain numbers are constants of the compiled code.
STARTS, ENTRIES, ITEMS, PLACES, TOTALS, SUMS, FOUND, KEYS, SPARE = (
    int(State(number)) for number in range(9)
)
N_LISTS, N_ITEMS, IMPACT_BITS, DENSE_FROM, ROOM, READABLE = (
    int(State(number)) for number in range(9, 15)
)
FINE, TOO_LARGE, NO_LIST, BAD_WEIGHT, UNREAD = range(5)  # what may be wrong with a query


@into_callers
def array(state: IntArray, field: Number, size: Number, kind: Any) -> Words:
    """Return the array of ``size`` whose address stands in a field."""
    return _carray(pointer(state[field]), (size,), kind)

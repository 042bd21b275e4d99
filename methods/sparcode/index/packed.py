"""Packed posting lists: four bytes a posting, the item and a whole number for its score."""

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray
from methods.sparcode.index.postings import Postings

ENTRY_BITS = 32
SUM_BITS = 16  # of the accumulator that impacts are added up in
LEAST_BITS = 6  # of an impact

UInt32Array = npt.NDArray[np.uint32]
Int32Array = npt.NDArray[np.int32]


class PackedPostings(NamedTuple):
    """Posting lists whose scores are whole numbers ("impacts") of one scale, common to all lists.

    An entry is ``place << impact_bits | impact``; a list's entries stand by impact, the largest
    first, and by place where impacts are equal. Places number the items by popularity, so that what
    is often touched lies together.

    *Error.* A posting's score is ``impact * scale``. Of a score s >= scale / 2 it is within
    ``scale / 2``. Impacts are at least 1, so that a positive score stays positive: a smaller s
    becomes ``scale``, and is less than one whole ``scale`` off. A list's weight w is rounded to a
    multiple of 2^-15, and what a posting then counts to a whole number, at which a small impact may
    become 0. So a posting of impact m counts within ``(w e + 2^-16 m + 1/2) * scale`` of w s, with
    e = 1/2, or 1 below scale / 2; within ``e * scale`` where lists have no weights. The error of a
    sum is at most the sum of these, and its own rounding to float32.

    One scale and not one a list: sums are ranked by absolute values, to which all lists then bring
    the same absolute error. An impact of 8 bits would save nothing, as the place takes the rest of
    the four bytes.

    Attributes
    ----------
    starts : int64 (n_lists + 1,); list r is entries[starts[r]:starts[r + 1]].
    entries : uint32 (n_postings,).
    items, places : int32 (n_items,), the item at a place and the place of an item.
    scale : score of one unit of impact.
    impact_bits : low bits of an entry that hold the impact.
    """

    starts: IntArray
    entries: UInt32Array
    items: Int32Array
    places: Int32Array
    scale: float
    impact_bits: int

    @property
    def lengths(self) -> IntArray:
        """Return the number of postings of each list, int64 (n_lists,)."""
        return np.diff(self.starts)

    @property
    def nbytes(self) -> int:
        """Return the bytes of all lists and of the two orders of items."""
        return sum(one.nbytes for one in (self.starts, self.entries, self.items, self.places))


def top_impact(n_items: int, most_lists: float, rounded_lists: int = 0) -> int:
    """Return the largest impact that lists may have.

    The largest number that the bits of an entry hold which the place leaves over, and no larger
    than lets ``most_lists`` impacts (the largest sum of weights of one query) add up in `SUM_BITS`.
    Where ``rounded_lists`` lists of a query have weights, room is left for the rounding of each: to
    a whole impact, 1/2, and of the weight to 2^-15, at most 1 more.

    Raises
    ------
    ValueError
        It would have fewer than 6 bits: the catalogue or the number of lists is too large.
    """
    place_bits = max(1, int(n_items - 1).bit_length())
    room = 2**SUM_BITS - 1 - math.ceil(1.5 * rounded_lists)
    top = min((1 << max(ENTRY_BITS - place_bits, 0)) - 1, int(room / max(most_lists, 1)))
    if top < 2**LEAST_BITS - 1:
        raise ValueError(
            f"n_items = {n_items} and {most_lists} lists a query leave {max(top, 0)} for the "
            f"largest impact; it must be at least {2**LEAST_BITS - 1}"
        )
    return top


def impact_bits_for(n_items: int, most_lists: float, rounded_lists: int = 0) -> int:
    """Return the bits of which impacts may be any whole number; see `top_impact`."""
    return (top_impact(n_items, most_lists, rounded_lists) + 1).bit_length() - 1


def pack(
    postings: Postings, popularity: IntArray, most_lists: float, *, rounded_lists: int = 0
) -> PackedPostings:
    """Return the lists packed.

    Parameters
    ----------
    postings : lists of positive scores.
    popularity : (n_items,), by which places are given, the most popular first, ties by id.
    most_lists : the largest sum of list weights that one query adds up (K without weights).
    rounded_lists : lists of a query that have a weight other than 1, at most.

    Raises
    ------
    ValueError
        A score is not above zero; or as `top_impact`.
    """
    if not (postings.scores > 0).all():
        raise ValueError(f"scores must be above 0, the least is {postings.scores.min()}")
    top = top_impact(popularity.size, most_lists, rounded_lists)
    bits = top.bit_length()
    items = np.argsort(-popularity, kind="stable").astype(np.int32)
    places = np.empty(items.size, np.int32)
    places[items] = np.arange(items.size, dtype=np.int32)
    largest = float(postings.scores.max(initial=0.0))
    scale = largest / top if largest > 0 else 1.0
    entries = np.empty(postings.items.size, np.uint32)
    starts, listed, scores = (_plain(one) for one in postings)
    _pack_lists(starts, listed, scores, places, scale, top, bits, entries)
    return PackedPostings(postings.starts, entries, items, places, scale, bits)


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array as compiled code takes it: contiguous, writeable."""
    plain = np.ascontiguousarray(array)
    return plain if plain.flags.writeable else plain.copy()


# With a signature numba compiles on import, so that no timed build pays for it.
@numba.njit(
    "void(int64[::1],int32[::1],float32[::1],int32[::1],float64,int64,int64,uint32[::1])",
    parallel=True,
    cache=True,
)
def _pack_lists(
    starts: IntArray,
    items: Int32Array,
    scores: FloatArray,
    places: Int32Array,
    scale: float,
    top: int,
    bits: int,
    entries: UInt32Array,
) -> None:
    """Write the entries of every list, sorted by what is missing to the top, then by place."""
    place_bits = ENTRY_BITS - bits
    for one in numba.prange(starts.size - 1):
        keys = np.empty(starts[one + 1] - starts[one], np.uint32)
        for at in range(keys.size):
            posting = starts[one] + at
            impact = int(np.rint(np.float64(scores[posting]) / scale))
            missing = min(max(top - impact, 0), top - 1)  # impacts are in [1, top]
            keys[at] = np.uint32(missing << place_bits | places[items[posting]])
        keys.sort()
        for at in range(keys.size):
            key = np.int64(keys[at])
            place = key & ((1 << place_bits) - 1)
            entries[starts[one] + at] = np.uint32(place << bits | (top - (key >> place_bits)))

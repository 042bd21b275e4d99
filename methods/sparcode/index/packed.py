"""Packed posting lists: four bytes a posting, the item and a whole number for its score."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.lists import IntArray
from methods.sparcode.index.postings import Postings

ENTRY_BITS = 32
SUM_BITS = 16  # of the accumulator that impacts are added up in

UInt32Array = npt.NDArray[np.uint32]
Int32Array = npt.NDArray[np.int32]


class PackedPostings(NamedTuple):
    """Posting lists whose scores are whole numbers ("impacts") of one common scale.

    An entry is ``place << impact_bits | impact``; a list's entries stand by impact, the largest
    first, and by place where impacts are equal. Places number the items by popularity, so that what
    is often touched lies together. A posting's score is ``impact * scale``, within ``scale / 2`` of
    what it was packed from; impacts are at least 1, so a positive score stays positive.

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


def impact_bits_for(n_items: int, most_lists: float) -> int:
    """Return the bits that an impact may have.

    Those of an entry that the place leaves over, and no more than let ``most_lists`` impacts (the
    largest sum of weights of one query) add up in `SUM_BITS`.

    Raises
    ------
    ValueError
        Fewer than 6 bits would be left: the catalogue or the number of lists is too large.
    """
    place_bits = max(1, int(n_items - 1).bit_length())
    most = int((2**SUM_BITS - 1) / max(most_lists, 1))
    bits = min(
        ENTRY_BITS - place_bits,
        most.bit_length() if most & (most + 1) == 0 else most.bit_length() - 1,
    )
    if bits < 6:
        raise ValueError(
            f"n_items = {n_items} and {most_lists} lists a query leave {bits} bits for a score; "
            "at least 6 are needed"
        )
    return bits


def pack(postings: Postings, popularity: IntArray, most_lists: float) -> PackedPostings:
    """Return the lists packed.

    Parameters
    ----------
    postings : lists of positive scores.
    popularity : (n_items,), by which places are given, the most popular first, ties by id.
    most_lists : the largest sum of list weights that one query adds up (K without weights).
    """
    n_items = popularity.size
    bits = impact_bits_for(n_items, most_lists)
    items = np.argsort(-popularity, kind="stable").astype(np.int32)
    places = np.empty(n_items, np.int32)
    places[items] = np.arange(n_items, dtype=np.int32)
    top = float(postings.scores.max(initial=0.0))
    scale = top / (2**bits - 1) if top > 0 else 1.0
    impacts = np.clip(np.rint(postings.scores / scale), 1, 2**bits - 1).astype(np.uint32)
    entries = (places[postings.items].astype(np.uint32) << np.uint32(bits)) | impacts
    owner = np.repeat(np.arange(postings.lengths.size), postings.lengths)
    order = np.lexsort((entries, -impacts.astype(np.int64), owner))
    return PackedPostings(postings.starts, entries[order], items, places, scale, bits)

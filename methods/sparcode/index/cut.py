"""Cutting posting lists after training: which postings stay, by rules that need no new scores."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray
from methods.sparcode.index.postings import Postings

Int32Array = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
LOW_BITS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class CutRules:
    """What stays of all positive scores; None leaves a rule out. Ours: the paper stores them all.

    Rules apply in the order of the attributes, each to what the one before left. Each keeps the
    largest scores; of equal scores the smaller item id stays, then the smaller code.

    Attributes
    ----------
    top_per_code : postings of a list, at most: the best items of its code.
    max_per_item : lists that an item stays in, at most: its best codes.
    budget : postings of all lists together, at most: those above one global bar.
    """

    top_per_code: int | None = None
    max_per_item: int | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} = {value} must be at least 1, or None for no such rule")

    def most_of_a_code(self, n_items: int) -> int:
        """Return how many postings of one code can stay, at most."""
        rules = (self.top_per_code, self.budget)
        return min([n_items, *(one for one in rules if one is not None)])


def cut_postings(postings: Postings, rules: CutRules) -> Postings:
    """Return what the rules leave of exact lists, as if they had been built with these rules."""
    kept = postings
    if rules.top_per_code is not None:
        mask = best_of_lists(kept.starts, kept.items, kept.scores, rules.top_per_code)
        kept = masked(kept, mask)
    if rules.max_per_item is not None and kept.items.size:
        n_items = int(kept.items.max()) + 1
        mask = best_of_items(kept.items, kept.scores, n_items, rules.max_per_item)
        kept = masked(kept, mask)
    if rules.budget is not None:
        kept = masked(kept, best_of_all(kept.items, kept.scores, rules.budget))
    return kept


def masked(postings: Postings, mask: Mask) -> Postings:
    """Return the postings where ``mask`` bool (n_postings,) is true, every list in its order."""
    before = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))
    return Postings(before[postings.starts], postings.items[mask], postings.scores[mask])


def best_of_all(items: Int32Array, scores: FloatArray, budget: int) -> Mask:
    """Say which ``budget`` postings are the best: by score, then item id, then their order here."""
    if items.size <= budget:
        return np.ones(items.size, np.bool_)
    bar = np.partition(scores, items.size - budget)[items.size - budget]
    mask: Mask = scores > bar
    tied = np.flatnonzero(scores == bar)
    room = budget - int(np.count_nonzero(mask))
    mask[tied[np.argsort(items[tied], kind="stable")[:room]]] = True
    return mask


# With signatures numba compiles on import, so that no timed build pays for it. Arrays that are
# only read are taken read-only too, as they come from a mapped file.
_RI = "Array(int32, 1, 'C', readonly=True)"
_RF = "Array(float32, 1, 'C', readonly=True)"
_RL = "Array(int64, 1, 'C', readonly=True)"


@numba.njit("float32(float32[::1], int64)", cache=True, nogil=True)
def kth_largest(values: FloatArray, k: int) -> np.float32:
    """Return the k-th largest value, 1 <= k <= size."""
    return np.float32(np.partition(values, values.size - k)[values.size - k])


@numba.njit(f"bool_[::1]({_RL}, {_RI}, {_RF}, int64)", cache=True, nogil=True)
def best_of_lists(starts: IntArray, items: Int32Array, scores: FloatArray, most: int) -> Mask:
    """Say which ``most`` postings of each list are its best; ties to the earlier in the list."""
    mask = np.ones(items.size, np.bool_)
    for row in range(starts.size - 1):
        first, after = starts[row], starts[row + 1]
        if after - first <= most:
            continue
        bar = kth_largest(scores[first:after].copy(), most)
        room = most
        for place in range(first, after):
            room -= scores[place] > bar
        for place in range(first, after):
            mask[place] = scores[place] > bar or (scores[place] == bar and room > 0)
            room -= scores[place] == bar and room > 0
    return mask


@numba.njit(f"bool_[::1]({_RI}, {_RF}, int64, int64)", cache=True, nogil=True)
def best_of_items(items: Int32Array, scores: FloatArray, n_items: int, most: int) -> Mask:
    """Say which ``most`` postings of each item are its best; ties to the earlier posting.

    A counting sort brings an item's postings together: 8 bytes a posting beside the mask.
    """
    ends = np.zeros(n_items + 1, np.int64)
    for item in items:
        ends[item + 1] += 1
    ends = np.cumsum(ends)
    places = np.empty(items.size, np.int64)
    filled = ends[:-1].copy()
    for place in range(items.size):
        places[filled[items[place]]] = place
        filled[items[place]] += 1
    mask = np.ones(items.size, np.bool_)
    for item in range(n_items):
        own = places[ends[item] : ends[item + 1]]
        if own.size <= most:
            continue
        bar = kth_largest(scores[own], most)
        room = most
        for place in own:
            room -= scores[place] > bar
        for place in own:
            mask[place] = scores[place] > bar or (scores[place] == bar and room > 0)
            room -= scores[place] == bar and room > 0
    return mask

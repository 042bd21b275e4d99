"""Postings held while an index is built: they grow code by code and are cut as they grow."""

import numpy as np
import numpy.typing as npt

from harness.errors import MethodError
from harness.lists import FloatArray, IntArray
from methods.sparcode.index.cut import CutRules, Mask, best_of_all, best_of_items
from methods.sparcode.index.postings import Postings

HELD_BYTES = 8  # of a posting: item and score
CUT_BYTES = 18  # of a posting while the rules are applied: and its place in its item's order, twice
FIRST_CUT = 1 << 18  # postings that are never worth a cut


class HeldPostings:
    """The postings of the codes so far, of which those that can no longer stay may be gone.

    Cutting early is exact. Let f(S) be what ``max_per_item`` and then ``budget`` leave of postings
    S; then f(f(S) + T) = f(S + T). Of the postings of one item that are better than x, the cap
    leaves the smaller of their number and ``max_per_item``, so the number of capped postings that
    are better than x never falls as S grows. What the cap takes from S has ``max_per_item`` better
    ones of its item in S for good; what the budget takes has ``budget`` better capped ones for
    good, and so has every worse posting of the same item that moves up in its place.
    """

    def __init__(self, rules: CutRules, n_codes: int, n_items: int, limit_bytes: int) -> None:
        """Hold nothing; ``limit_bytes`` is what may be held, cutting included."""
        self._rules, self._n_items = rules, n_items
        self._cuts = rules.max_per_item is not None or rules.budget is not None
        self._limit_bytes = limit_bytes
        self._limit = limit_bytes // (CUT_BYTES if self._cuts else HELD_BYTES)
        self._items: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._scores: FloatArray = np.empty(0, np.float32)
        self._lengths: IntArray = np.zeros(n_codes, np.int64)
        self._n_codes = self._count = 0
        self._next_cut = FIRST_CUT
        self.floor = np.float32(0)

    def add(self, lengths: IntArray, items: npt.NDArray[np.int32], scores: FloatArray) -> None:
        """Take the lists of the next codes, one after another.

        Raises
        ------
        MethodError
            More postings stay than may be held.
        """
        after, more = self._n_codes + lengths.size, self._count + items.size
        self._grow(more)
        self._items[self._count : more], self._scores[self._count : more] = items, scores
        self._lengths[self._n_codes : after] = lengths
        self._n_codes, self._count = after, more
        if self._cuts and more > min(self._next_cut, self._limit):
            self._cut()
            self._next_cut = max(FIRST_CUT, 2 * self._count)
        if self._count > self._limit:
            raise MethodError(
                f"the lists of the first {self._n_codes:,} of {self._lengths.size:,} codes hold "
                f"{self._count:,} postings, and {self._limit_bytes / 1e6:,.3g} MB have room for "
                f"{self._limit:,}: raise memory_budget_mb, or lower top_per_code, max_per_item or "
                "budget"
            )

    def finish(self) -> Postings:
        """Return the lists of all codes; nothing is held any more."""
        if self._cuts:
            self._cut()
        self._resize(self._count)
        starts = np.concatenate(([0], np.cumsum(self._lengths))).astype(np.int64)
        return Postings(starts, self._items, self._scores)

    def _cut(self) -> None:
        rules, count = self._rules, self._count
        if rules.max_per_item is not None:
            items, scores = self._items[:count], self._scores[:count]
            self._keep(best_of_items(items, scores, self._n_items, rules.max_per_item))
        if rules.budget is not None and self._count >= rules.budget:
            items, scores = self._items[: self._count], self._scores[: self._count]
            self._keep(best_of_all(items, scores, rules.budget))
            self.floor = self._scores[: self._count].min()

    def _keep(self, mask: Mask) -> None:
        """Close the gaps, and count again what each code has left."""
        ends = np.cumsum(self._lengths[: self._n_codes])
        before = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))[ends]
        self._lengths[: self._n_codes] = np.diff(before, prepend=0)
        count = int(np.count_nonzero(mask))
        self._items[:count] = self._items[: mask.size][mask]
        self._scores[:count] = self._scores[: mask.size][mask]
        self._count = count

    def _grow(self, count: int) -> None:
        """Make room for ``count`` postings: a quarter more than that, within the limit."""
        if count > self._items.size:
            self._resize(max(count, min(count + count // 4, self._limit)))

    def _resize(self, size: int) -> None:
        # realloc: large arrays move without a copy, so that they are never held twice
        self._items.resize(size, refcheck=False)
        self._scores.resize(size, refcheck=False)

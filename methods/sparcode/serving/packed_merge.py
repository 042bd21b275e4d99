"""PackedMerger: add up packed posting lists, one query or many, on any number of threads."""

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray, Lists
from methods.sparcode.index.lists_file import UnreadLists
from methods.sparcode.index.packed import PackedPostings
from methods.sparcode.serving.cost_model import NEVER_DENSE, CostModel, fit_cost_model
from methods.sparcode.serving.packed_kernel.intrinsics import LANES
from methods.sparcode.serving.packed_kernel.merge import merge_blocks, merge_rows
from methods.sparcode.serving.packed_kernel.spans import MOST
from methods.sparcode.serving.packed_kernel.state import FINE, TOO_LARGE, UNREAD, State

NO_CUT: Final = 1 << 40
QUERIES_A_THREAD: Final = 8  # at least: fewer do not pay for waking another thread
_DENSE_FROM = int(State.DENSE_FROM)
_UNWEIGHTED = np.zeros((0, 0), np.float32)

Found = tuple[IntArray, FloatArray, int, int]


class PackedMerger:
    """Adds up the lists of queries and keeps the k largest sums: exact in whole numbers.

    A posting counts its impact, or ``(impact * w + 2^14) >> 15`` with w its list's weight in units
    of 2^-15, and a sum's score is ``sum * scale`` in float64, rounded to float32 once. Ties go to
    the smaller item. Which way sums are collected is decided by a cost model that was fitted to the
    machine; it changes the time and nothing else. The result does not depend on the number of
    threads.

    A worker holds 2 bytes an item, and 22 for each posting that a query may read, at most one an
    item. Not to be called by two threads at a time.
    """

    def __init__(
        self,
        packed: PackedPostings,
        n_items: int,
        *,
        costs: CostModel | None = None,
        unread: UnreadLists | None = None,
    ) -> None:
        """Take the lists, which are not copied unless they are not contiguous.

        Parameters
        ----------
        packed : its arrays may be read-only, or lie in a mapped file.
        costs : fitted on this machine before; None fits them now, in about a second at most.
        unread : checks lists before they are first read; None: all have been checked.

        Raises
        ------
        ValueError
            ``packed`` numbers another count of items.
        """
        if packed.items.size != n_items:
            raise ValueError(f"packed lists number {packed.items.size} items, expected {n_items}")
        self._starts = np.ascontiguousarray(packed.starts, np.int64)
        self._entries = np.ascontiguousarray(packed.entries, np.uint32)
        self._items = np.ascontiguousarray(packed.items, np.int32)
        self._places = np.ascontiguousarray(packed.places, np.int32)
        self._bits = packed.impact_bits
        self._scale = float(packed.scale)
        self._longest = int(np.diff(self._starts).max(initial=0))
        self._workers: list[list[npt.NDArray[Any]]] = []
        self._states = np.zeros((0, len(State)), np.int64)
        self._room, self._unread = -1, unread
        self.costs = NEVER_DENSE if costs is None else costs
        if costs is None:
            self.costs = fit_cost_model(self.merge_as, self._starts, MOST >> self._bits)
            self._workers, self._room = [], -1  # it read more lists at a time than queries do
            self._states = np.zeros((0, len(State)), np.int64)
        self._dense_from = self.costs.dense_from

    @property
    def nbytes(self) -> int:
        """Return the bytes of all workers; the lists are not counted."""
        return sum(one.nbytes for worker in self._workers for one in worker)

    def merge(
        self,
        lists: IntArray,
        weights: FloatArray | None,
        hidden: Lists,
        k: int,
        *,
        threads: int | None = None,
        cut: int | None = None,
    ) -> Found:
        """Return ids int64 (n, k), scores float32 (n, k), postings read and items with a sum.

        Where fewer than k items have a positive sum, ids end in -1 and scores in -inf.

        Parameters
        ----------
        lists : int64 (n, L); -1 is no list, a list named twice counts twice.
        weights : float32 (n, L), not negative, or None: all 1.
        hidden : for each query the items that may not be returned; they count as candidates.
        threads : blocks that the queries are cut into, of which as many run at a time as numba's
            pool has threads (`harness.measure.threads.set_threads`). None: a block for each of
            these, but none of fewer than `QUERIES_A_THREAD` queries. A single query takes one.
        cut : postings of each list to read at most, those of the largest impact.

        Raises
        ------
        MethodError
            A list was altered since it was written; see `UnreadLists`.
        ValueError
            There is no such list; a weight is negative or no number; the lists of a query could
            add up to more than 16 bits hold; ``k`` or ``cut`` is below 1.
        """
        if threads is None:
            threads = min(numba.get_num_threads(), len(lists) // QUERIES_A_THREAD)
        return self.merge_as(self._dense_from, lists, weights, hidden, k, threads, cut)

    def merge_as(
        self,
        dense_from: int,
        lists: IntArray,
        weights: FloatArray | None,
        hidden: Lists,
        k: int,
        threads: int = 1,
        cut: int | None = None,
    ) -> Found:
        """Return what `merge` does, scanning all sums from ``dense_from`` postings on."""
        n, width = lists.shape
        if k < 1 or (cut is not None and cut < 1):
            raise ValueError(f"k = {k} and cut = {cut} must be at least 1")
        lists = _plain(lists, np.int64)
        weights = _UNWEIGHTED if weights is None else _plain(weights, np.float32)
        if weights is not _UNWEIGHTED and weights.shape != lists.shape:
            raise ValueError(f"weights {weights.shape} must have the shape of lists {lists.shape}")
        if len(hidden) != n:
            raise ValueError(f"hidden has {len(hidden)} rows, expected one for each of {n} queries")
        asked = (lists, weights, _plain(hidden.indptr, np.int64), _plain(hidden.ids, np.int64), k)
        reach = NO_CUT if cut is None else cut
        ids, best = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
        states = self._hire(max(1, min(threads, n)), width * min(self._longest, reach))
        if states[0, _DENSE_FROM] != dense_from:
            self._states[:, _DENSE_FROM] = dense_from
        if len(states) == 1:
            work = merge_rows(states[0], *asked, reach, self._scale, 0, n, ids, best)
            postings, candidates, wrong, row = work
            if wrong == FINE:
                return ids, best, postings, candidates
            ends = [(wrong, row)]
        else:
            done = np.empty((len(states), 4), np.int64)
            merge_blocks(states, *asked, reach, self._scale, ids, best, done)
            ends = [(wrong, row) for _, _, wrong, row in done.tolist() if wrong != FINE]
            if not ends:
                return ids, best, int(done[:, 0].sum()), int(done[:, 1].sum())
        for wrong, row in ends:
            if wrong != UNREAD:
                self._refuse(wrong, row, lists, weights)
        assert self._unread is not None, "only then is a list not to be read"
        self._unread.verify(lists)
        again = None if weights is _UNWEIGHTED else weights
        return self.merge_as(dense_from, lists, again, hidden, k, threads, cut)

    def _hire(self, n_workers: int, most: int) -> IntArray:
        """Return the states of so many workers, each with room for ``most`` postings of a query."""
        room = min(most, self._items.size)  # no query has more candidates than there are items
        if room > self._room:
            self._workers, self._room = [], room
        while len(self._workers) < n_workers:
            self._workers.append(self._scratch())
            self._states = np.array([self._state(one) for one in self._workers], np.int64)
        return self._states[:n_workers]

    def _scratch(self) -> list[npt.NDArray[Any]]:
        totals = np.zeros(-(-self._items.size // LANES) * LANES, np.uint16)
        kinds = (np.uint16, np.uint32, np.uint64, np.uint64)
        return [totals, *(np.empty(self._room + LANES, kind) for kind in kinds)]

    def _state(self, worker: list[npt.NDArray[Any]]) -> list[int]:
        """Return one worker's row, in the order of `State`."""
        arrays: list[npt.NDArray[Any]] = [
            self._starts,
            self._entries,
            self._items,
            self._places,
            *worker,
        ]
        sizes = (self._starts.size - 1, self._items.size, self._bits, 0, self._room)
        readable = 0 if self._unread is None else self._unread.fine.ctypes.data
        return [*(one.ctypes.data for one in arrays), *sizes, readable]

    def _refuse(self, wrong: int, row: int, lists: IntArray, weights: FloatArray) -> None:
        """Say what is wrong with a query."""
        if wrong == TOO_LARGE:
            raise ValueError(
                f"query {row}: its lists may add up to more than {MOST}; pack them for more lists, "
                f"or a larger sum of weights, a query (impacts have {self._bits} bits now)"
            )
        n_lists = self._starts.size - 1
        given = f"lists {lists[row].tolist()}"
        if weights.size:
            given += f" with weights {weights[row].tolist()}"
        raise ValueError(
            f"query {row}: {given}; expected -1 or lists below {n_lists}, and weights that are "
            "not negative"
        )


def _plain(array: npt.NDArray[Any], kind: type[Any]) -> npt.NDArray[Any]:
    """Return an array as compiled code takes it: of one kind, contiguous, writeable."""
    plain = np.ascontiguousarray(array, kind)
    return plain if plain.flags.writeable else plain.copy()

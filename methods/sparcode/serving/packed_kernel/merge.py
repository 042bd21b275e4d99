"""Entry points of the kernel: a query after another, on one thread or a block on each of some."""

import time

import numba
import numpy as np

from harness.lists import FloatArray, IntArray
from methods.compiling import Number, compiled_s, i64, into_callers, kept, u16, u64
from methods.sparcode.serving.packed_kernel.accumulators import (
    add,
    collect_dense,
    collect_sparse,
    counted,
    hide,
)
from methods.sparcode.serving.packed_kernel.intrinsics import LANES, LINE, fetch
from methods.sparcode.serving.packed_kernel.k_largest import select
from methods.sparcode.serving.packed_kernel.spans import spans_of
from methods.sparcode.serving.packed_kernel.state import (
    DENSE_FROM,
    ENTRIES,
    FINE,
    FOUND,
    IMPACT_BITS,
    N_ITEMS,
    N_LISTS,
    ROOM,
    STARTS,
    SUMS,
    TOTALS,
    array,
)

_begun = time.perf_counter()


@into_callers
def _merge(
    state: IntArray, lists: IntArray, weights: FloatArray, hidden_starts: IntArray,
    hidden: IntArray, k: Number, cut: Number, scale: Number, first: Number, last: Number,
    ids: IntArray, best: FloatArray,
) -> tuple[Number, Number, Number, Number]:  # fmt: skip
    """Answer the queries [first, last); return postings, candidates, what is wrong and where."""
    n_postings = n_candidates = 0
    starts = array(state, STARTS, state[N_LISTS] + 1, np.int64)
    entries = array(state, ENTRIES, starts[state[N_LISTS]], np.uint32)
    padded = (state[N_ITEMS] + LANES - 1) // LANES * LANES
    totals = array(state, TOTALS, padded, np.uint16)
    sums = array(state, SUMS, state[ROOM] + LANES, np.uint16)
    found = array(state, FOUND, state[ROOM] + LANES, np.uint32)
    bits = u64(state[IMPACT_BITS])
    mask = (u64(1) << bits) - u64(1)
    spans = np.empty((lists.shape[1] + 1, 3), np.uint64)
    for row in range(first, last):
        n_spans, postings, high, wrong = spans_of(state, lists, weights, row, cut, spans)
        if wrong != FINE:
            return n_postings, n_candidates, wrong, row
        following = lists[row + 1, 0] if row + 1 < last and lists.shape[1] > 0 else -1
        if following >= 0 and following < state[N_LISTS]:  # the next query's, for the last to ask
            spans[n_spans, 0] = u64(starts[following])
            spans[n_spans, 1] = u64(min(starts[following + 1], starts[following] + cut))
        else:
            spans[n_spans, 0] = spans[n_spans, 1] = u64(0)
        for at in range(n_spans):
            for line in range(spans[at + 1, 0], spans[at + 1, 1], u64(LINE)):
                fetch(entries, line)
            add(entries, spans[at, 0], spans[at, 1], bits, mask, spans[at, 2], totals)
        cleared = hide(state, hidden, hidden_starts[row], hidden_starts[row + 1], totals)
        low = i64(1)
        for at in range(n_spans):
            kth = spans[at, 0] + u64(k + cleared - 1)
            if kth < spans[at, 1]:
                low = max(low, i64(counted(entries[kth], mask, spans[at, 2])))
        if postings >= state[DENSE_FROM]:
            count, touched = collect_dense(totals, u16(low), sums, found)
        else:
            count = touched = u64(0)
            for at in range(n_spans):
                count, more = collect_sparse(
                    entries, spans[at, 0], spans[at, 1], bits, u16(low), totals, sums, found, count
                )
                touched += more
        select(state, sums, found, count, low, high, scale, ids[row], best[row])
        n_postings += postings
        n_candidates += i64(touched) + cleared
    return n_postings, n_candidates, FINE, -1


_LISTS, _WEIGHTS, _ROW, _OUT = "int64[:,::1]", "float32[:,::1]", "int64[::1]", "float32[:,::1]"
_ASKED = f"{_LISTS},{_WEIGHTS},{_ROW},{_ROW},int64,int64,float64"


@kept(f"UniTuple(int64,4)({_ROW},{_ASKED},int64,int64,{_LISTS},{_OUT})")
def merge_rows(
    state: IntArray, lists: IntArray, weights: FloatArray, hidden_starts: IntArray,
    hidden: IntArray, k: int, cut: int, scale: float, first: int, last: int,
    ids: IntArray, best: FloatArray,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Answer the queries [first, last) on the calling thread.

    Parameters
    ----------
    state : int64 (len(State),), a worker.
    lists, weights : int64 (n, L), -1 for no list; float32 (n, L), or (0, 0) where all are 1.
    hidden_starts, hidden : int64, the lists of items that may not be returned.
    k, cut : items to find, postings of each list to read at most.
    ids, best : int64 and float32 (n, k), written.

    Returns
    -------
    Postings, candidates, what is wrong (FINE, TOO_LARGE, NO_LIST, BAD_WEIGHT or UNREAD) and with
    which row.
    """
    return _merge(
        state, lists, weights, hidden_starts, hidden, k, cut, scale, first, last, ids, best
    )


@kept(f"void({_LISTS},{_ASKED},{_LISTS},{_OUT},{_LISTS})", parallel=True)
def merge_blocks(
    states: IntArray, lists: IntArray, weights: FloatArray, hidden_starts: IntArray,
    hidden: IntArray, k: int, cut: int, scale: float,
    ids: IntArray, best: FloatArray, work: IntArray,
) -> None:  # fmt: skip
    """Answer all queries, one block of them for each worker; see `merge_rows`.

    ``states`` int64 (n_workers, len(State)); ``work`` int64 (n_workers, 4), what `merge_rows`
    returns for each.
    """
    n, n_blocks = lists.shape[0], states.shape[0]
    for block in numba.prange(n_blocks):
        first, last = n * block // n_blocks, n * (block + 1) // n_blocks
        postings, candidates, wrong, row = merge_rows(
            states[block], lists, weights, hidden_starts, hidden, k, cut, scale, first, last,
            ids, best,
        )  # fmt: skip
        work[block, 0], work[block, 1] = postings, candidates
        work[block, 2], work[block, 3] = wrong, row


COMPILE_S = compiled_s(_begun, merge_rows, merge_blocks)  # of this process

"""Spans: the parts of lists that a query reads, and whether it may."""

import numpy as np

from harness.lists import FloatArray, IntArray
from methods.compiling import Number, i64, into_callers, u64
from methods.sparcode.serving.packed_kernel.accumulators import ONE, counted
from methods.sparcode.serving.packed_kernel.state import (
    BAD_WEIGHT,
    ENTRIES,
    FINE,
    IMPACT_BITS,
    N_LISTS,
    NO_LIST,
    READABLE,
    STARTS,
    TOO_LARGE,
    UNREAD,
    Words,
    array,
)

MOST = 65535  # largest sum of an accumulator


@into_callers
def spans_of(
    state: IntArray, lists: IntArray, weights: FloatArray, row: Number, cut: Number, spans: Words
) -> tuple[Number, Number, Number, Number]:
    """Write begin, end and weight of each list that one query reads into ``spans``.

    Returns how many those are, their postings, a bound on every sum, and what is wrong.
    """
    starts = array(state, STARTS, state[N_LISTS] + 1, np.int64)
    entries = array(state, ENTRIES, starts[state[N_LISTS]], np.uint32)
    readable = array(state, READABLE, state[N_LISTS], np.uint8)
    mask = (u64(1) << u64(state[IMPACT_BITS])) - u64(1)
    count = postings = most = 0
    for column in range(lists.shape[1]):
        one = lists[row, column]
        if one == -1:
            continue
        if one < 0 or one >= state[N_LISTS]:
            return count, postings, most, NO_LIST
        begin, end = starts[one], starts[one + 1]
        if state[READABLE] != 0 and not readable[one]:
            return count, postings, most, UNREAD
        weight = ONE
        if weights.size > 0:
            given = weights[row, column] * np.float32(ONE)  # exact: a power of two
            if not (given >= 0.0 and given <= np.float32(ONE * MOST)):
                return count, postings, most, BAD_WEIGHT
            weight = i64(np.rint(given))
        if begin == end:
            continue
        most += i64(counted(entries[begin], mask, u64(weight)))  # its largest impact
        end = min(end, begin + cut)
        spans[count, 0], spans[count, 1], spans[count, 2] = u64(begin), u64(end), u64(weight)
        count += 1
        postings += end - begin
    return count, postings, most, TOO_LARGE if most > MOST else FINE

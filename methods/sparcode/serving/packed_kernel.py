"""Compiled code of the packed merge: add up 16-bit impacts, keep the k largest sums.

A query takes four steps. *Add*: every posting's impact goes to the accumulator of its place, one
list after another, while the entries of the next list are fetched into the cache. *Bound*: the
items of one list before its k-th reach the k-th impact, so the k-th largest sum is at least the
largest k-th impact. *Collect*: sums that reach the bound are written out without a branch, and all
accumulators are set back to zero, by reading the postings again ("sparse") or by a scan over all
accumulators, 64 at a time ("dense"). *Select*: the k-th largest sum is found by bisection on its
value, which counts 64 sums at a time; what reaches it is sorted by sum descending, item ascending.

Arrays that live as long as an index are given by address, in one array (`State`): numba spends more
time on taking twelve arrays apart than on a short query, and refuses arrays that are read-only, as
those of a mapped file are. Signatures are given, so that compilation happens on import and is kept
on disk. All in one file, because a kept compilation does not notice changes elsewhere.
"""

import time
from enum import IntEnum
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE
from methods.compiling import compiled_s

LANES = 64  # sums that one step of a scan looks at; accumulators come in whole steps
LINE = 16  # entries of a cache line
ONE = 1 << 15  # a weight of 1
MOST = 65535  # largest sum of an accumulator
RANKED = 256  # keys that are sorted by counting the smaller ones; more are sorted by digits

Words = Any  # an array of whole numbers of some width
_begun = time.perf_counter()
_function: Any = cgutils.get_or_insert_function
_carray: Any = numba.carray  # type: ignore[attr-defined]
_intrinsic: Any = intrinsic  # untyped: it takes the typing context, its caller does not


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
_STARTS, _ENTRIES, _ITEMS, _PLACES, _TOTALS, _SUMS, _FOUND, _KEYS, _SPARE = (
    int(State(number)) for number in range(9)
)
_N_LISTS, _N_ITEMS, _IMPACT_BITS, _DENSE_FROM, _ROOM, _READABLE = (
    int(State(number)) for number in range(9, 15)
)
FINE, TOO_LARGE, NO_LIST, BAD_WEIGHT, UNREAD = range(5)  # what may be wrong with a query

Number = Any  # of a width that only numba tells apart; unsigned ones index without a check
u16: Number = np.uint16
u32: Number = np.uint32
u64: Number = np.uint64
i64: Number = np.int64


@_intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """Return an integer as a pointer."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), code


def _vector(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, Any]:
    """Return a pointer to LANES 16-bit words of an array from an index on, and their type."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    kind = ir.VectorType(ir.IntType(16), LANES)
    place = builder.gep(array.data, [args[1]])
    return builder.bitcast(place, kind.as_pointer()), kind


@_intrinsic
def _reaching(typing: Any, array: Any, index: Any, bar: Any) -> Any:
    """Return a bit for each of LANES words that is at least ``bar``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, kind = _vector(context, builder, signature, args)
        words = builder.load(place)
        words.align = 2
        blank = ir.Constant(kind, ir.Undefined)
        first = builder.insert_element(blank, args[2], ir.IntType(32)(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        bars = builder.shuffle_vector(first, blank, everywhere)
        reached = builder.icmp_unsigned(">=", words, bars)
        return builder.bitcast(reached, ir.IntType(LANES))

    return types.uint64(array, index, types.uint16), code


@_intrinsic
def _clear(typing: Any, array: Any, index: Any) -> Any:
    """Set LANES words to zero."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, kind = _vector(context, builder, signature, args)
        stored = builder.store(ir.Constant(kind, [0] * LANES), place)
        stored.align = 2
        return context.get_dummy_value()

    return types.void(array, index), code


@_intrinsic
def _n_bits(typing: Any, word: Any) -> Any:
    """Return how many bits of a word are set."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), code


@_intrinsic
def _lowest_bit(typing: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set; the word is not zero."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), code


@_intrinsic
def _fetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element; harmless whatever the index."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        flag, bytes_ = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [bytes_, flag, flag, flag])
        fetch = _function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(array.data, [args[1]]), bytes_)
        builder.call(fetch, [place, flag(0), flag(3), flag(1)])  # to read, keep, data
        return context.get_dummy_value()

    return types.void(array, index), code


_compiled = numba.njit(nogil=True)  # into its callers; the entry points are kept on disk


@_compiled
def _array(state: IntArray, field: Number, size: Number, kind: Any) -> Words:
    return _carray(_pointer(state[field]), (size,), kind)


@_compiled
def _counted(entry: Number, mask: Number, weight: Number) -> Number:
    """Return what a posting adds: its impact times the weight, rounded to a whole number."""
    return ((u64(entry) & mask) * weight + u64(ONE // 2)) >> u64(15)


@_compiled
def _add(
    entries: Words,
    begin: Number,
    end: Number,
    bits: Number,
    mask: Number,
    weight: Number,
    totals: Words,
) -> None:
    """Add one list to the accumulators."""
    if weight == u64(ONE):
        for at in range(begin, end):
            entry = u64(entries[at])
            place = entry >> bits
            totals[place] = u16(totals[place] + u16(entry & mask))
    else:
        for at in range(begin, end):
            entry = u64(entries[at])
            place = entry >> bits
            totals[place] = u16(totals[place] + u16(_counted(entry, mask, weight)))


@_compiled
def _collect_sparse(
    entries: Words, begin: Number, end: Number, bits: Number, bar: Number, totals: Words,
    sums: Words, found: Words, count: Number,
) -> tuple[Number, Number]:  # fmt: skip
    """Write the sums of one list's items that reach ``bar`` behind the first ``count``; clear all.

    Returns the new count, and how many items were not clear.
    """
    touched = u64(0)
    for at in range(begin, end):
        place = u64(entries[at]) >> bits
        total = totals[place]
        totals[place] = u16(0)
        sums[count] = total
        found[count] = u32(place)
        count += u64(total >= bar)
        touched += u64(total != u16(0))
    return count, touched


@_compiled
def _collect_dense(totals: Words, bar: Number, sums: Words, found: Words) -> tuple[Number, Number]:
    """Write the sums of all items that reach ``bar``; clear all. Returns as the other does."""
    count = touched = u64(0)
    for first in range(u64(0), u64(totals.size), u64(LANES)):
        nonzero = _reaching(totals, first, u16(1))
        if nonzero == u64(0):
            continue
        touched += _n_bits(nonzero)
        reaching = _reaching(totals, first, bar)
        while reaching != u64(0):
            place = first + _lowest_bit(reaching)
            sums[count] = totals[place]
            found[count] = u32(place)
            count += u64(1)
            reaching &= reaching - u64(1)
        _clear(totals, first)
    return count, touched


@_compiled
def _kth_largest(sums: Words, count: Number, k: Number, low: Number, high: Number) -> Number:
    """Return the k-th largest of ``count`` sums, which are in [low, high] and more than k.

    The words behind the last are zero up to a whole step, and low is above zero.
    """
    while low < high:
        middle = (low + high + 1) >> 1
        reached = u64(0)
        for first in range(u64(0), count, u64(LANES)):
            reached += _n_bits(_reaching(sums, first, u16(middle)))
        if reached >= u64(k):
            low = middle
        else:
            high = middle - 1
    return low


@_compiled
def _sort(keys: Words, spare: Words, count: Number, n_bits: Number, k: Number) -> Words:
    """Return an array whose first min(k, count) keys are the smallest, ascending; all differ."""
    if count <= RANKED:
        for at in range(count):
            key = keys[at]
            rank = u32(0)
            for other in range(count):
                rank += u32(keys[other] < key)
            spare[rank] = key
        return spare
    for shift in range(u64(0), u64(n_bits), u64(8)):
        ends = np.zeros(257, np.int64)
        for at in range(count):
            ends[((keys[at] >> shift) & u64(255)) + u64(1)] += 1
        for digit in range(256):
            ends[digit + 1] += ends[digit]
        for at in range(count):
            digit_ = (keys[at] >> shift) & u64(255)
            spare[ends[digit_]] = keys[at]
            ends[digit_] += 1
        keys, spare = spare, keys
    return keys


@_compiled
def _select(
    state: IntArray, sums: Words, found: Words, count: Number, low: Number, high: Number,
    scale: Number, ids: IntArray, best: FloatArray,
) -> None:  # fmt: skip
    """Write the k best of the collected sums, all in [low, high], into one row, in order."""
    k, room = ids.size, state[_ROOM] + LANES
    keys, spare = (
        _array(state, _KEYS, room, np.uint64),
        _array(state, _SPARE, room, np.uint64),
    )
    items = _array(state, _ITEMS, state[_N_ITEMS], np.int32)
    bar = low
    if count > u64(k):
        _clear(sums, count)
        bar = _kth_largest(sums, count, k, low, high)
    kept = u64(0)
    for at in range(count):
        keys[kept] = (u64(high - sums[at]) << u64(32)) | u64(found[at])
        kept += u64(sums[at] >= u16(bar))
    bits = u64(0)
    while (state[_N_ITEMS] - 1) >> bits:
        bits += u64(1)
    for at in range(kept):
        item = u64(items[keys[at] & u64(0xFFFFFFFF)])
        keys[at] = ((keys[at] >> u64(32)) << bits) | item
    width = bits
    while max(high - bar, 0) >> (width - bits):  # without a list the bound is below the least bar
        width += u64(1)
    ordered = _sort(keys, spare, kept, width, k)
    n_found = min(i64(kept), k)
    item_mask = (u64(1) << bits) - u64(1)
    for rank in range(n_found):
        ids[rank] = i64(ordered[rank] & item_mask)
        best[rank] = np.float32((high - i64(ordered[rank] >> bits)) * scale)
    for rank in range(n_found, k):
        ids[rank] = PAD_ID
        best[rank] = np.float32(PAD_SCORE)


@_compiled
def _plan(
    state: IntArray, lists: IntArray, weights: FloatArray, row: Number, cut: Number, spans: Words
) -> tuple[Number, Number, Number, Number]:
    """Write begin, end and weight of each list that one query reads into ``spans``.

    Returns how many those are, their postings, a bound on every sum, and what is wrong.
    """
    starts = _array(state, _STARTS, state[_N_LISTS] + 1, np.int64)
    entries = _array(state, _ENTRIES, starts[state[_N_LISTS]], np.uint32)
    readable = _array(state, _READABLE, state[_N_LISTS], np.uint8)
    mask = (u64(1) << u64(state[_IMPACT_BITS])) - u64(1)
    count = postings = most = 0
    for column in range(lists.shape[1]):
        one = lists[row, column]
        if one == -1:
            continue
        if one < 0 or one >= state[_N_LISTS]:
            return count, postings, most, NO_LIST
        begin, end = starts[one], starts[one + 1]
        if state[_READABLE] != 0 and not readable[one]:
            return count, postings, most, UNREAD
        weight = ONE
        if weights.size > 0:
            given = weights[row, column] * np.float32(ONE)  # exact: a power of two
            if not (given >= 0.0 and given <= np.float32(ONE * MOST)):
                return count, postings, most, BAD_WEIGHT
            weight = i64(np.rint(given))
        if begin == end:
            continue
        most += i64(_counted(entries[begin], mask, u64(weight)))  # its largest impact
        end = min(end, begin + cut)
        spans[count, 0], spans[count, 1], spans[count, 2] = u64(begin), u64(end), u64(weight)
        count += 1
        postings += end - begin
    return count, postings, most, TOO_LARGE if most > MOST else FINE


@_compiled
def _hide(state: IntArray, hidden: IntArray, first: Number, last: Number, totals: Words) -> Number:
    """Clear the accumulators of hidden[first:last]; return how many were not clear."""
    places = _array(state, _PLACES, state[_N_ITEMS], np.int32)
    cleared = 0
    for at in range(first, last):
        if u64(hidden[at]) < u64(state[_N_ITEMS]):
            place = u64(places[hidden[at]])
            cleared += totals[place] != u16(0)
            totals[place] = u16(0)
    return cleared


@_compiled
def _merge(
    state: IntArray, lists: IntArray, weights: FloatArray, hidden_starts: IntArray,
    hidden: IntArray, k: Number, cut: Number, scale: Number, first: Number, last: Number,
    ids: IntArray, best: FloatArray,
) -> tuple[Number, Number, Number, Number]:  # fmt: skip
    """Answer the queries [first, last); return postings, candidates, what is wrong and where."""
    n_postings = n_candidates = 0
    starts = _array(state, _STARTS, state[_N_LISTS] + 1, np.int64)
    entries = _array(state, _ENTRIES, starts[state[_N_LISTS]], np.uint32)
    padded = (state[_N_ITEMS] + LANES - 1) // LANES * LANES
    totals = _array(state, _TOTALS, padded, np.uint16)
    sums = _array(state, _SUMS, state[_ROOM] + LANES, np.uint16)
    found = _array(state, _FOUND, state[_ROOM] + LANES, np.uint32)
    bits = u64(state[_IMPACT_BITS])
    mask = (u64(1) << bits) - u64(1)
    spans = np.empty((lists.shape[1] + 1, 3), np.uint64)
    for row in range(first, last):
        n_spans, postings, high, wrong = _plan(state, lists, weights, row, cut, spans)
        if wrong != FINE:
            return n_postings, n_candidates, wrong, row
        following = lists[row + 1, 0] if row + 1 < last and lists.shape[1] > 0 else -1
        if following >= 0 and following < state[_N_LISTS]:  # the next query's, for the last to ask
            spans[n_spans, 0] = u64(starts[following])
            spans[n_spans, 1] = u64(min(starts[following + 1], starts[following] + cut))
        else:
            spans[n_spans, 0] = spans[n_spans, 1] = u64(0)
        for at in range(n_spans):
            for line in range(spans[at + 1, 0], spans[at + 1, 1], u64(LINE)):
                _fetch(entries, line)
            _add(entries, spans[at, 0], spans[at, 1], bits, mask, spans[at, 2], totals)
        cleared = _hide(state, hidden, hidden_starts[row], hidden_starts[row + 1], totals)
        low = i64(1)
        for at in range(n_spans):
            kth = spans[at, 0] + u64(k + cleared - 1)
            if kth < spans[at, 1]:
                low = max(low, i64(_counted(entries[kth], mask, spans[at, 2])))
        if postings >= state[_DENSE_FROM]:
            count, touched = _collect_dense(totals, u16(low), sums, found)
        else:
            count = touched = u64(0)
            for at in range(n_spans):
                count, more = _collect_sparse(
                    entries, spans[at, 0], spans[at, 1], bits, u16(low), totals, sums, found, count
                )
                touched += more
        _select(state, sums, found, count, low, high, scale, ids[row], best[row])
        n_postings += postings
        n_candidates += i64(touched) + cleared
    return n_postings, n_candidates, FINE, -1


_LISTS, _WEIGHTS, _ROW, _OUT = "int64[:,::1]", "float32[:,::1]", "int64[::1]", "float32[:,::1]"
_ASKED = f"{_LISTS},{_WEIGHTS},{_ROW},{_ROW},int64,int64,float64"


@numba.njit(
    f"UniTuple(int64,4)({_ROW},{_ASKED},int64,int64,{_LISTS},{_OUT})", cache=True, nogil=True
)
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


@numba.njit(
    f"void({_LISTS},{_ASKED},{_LISTS},{_OUT},{_LISTS})", cache=True, nogil=True, parallel=True
)
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

"""Accumulators: a list is added to them, sums that reach a bound are collected, items hidden."""

import numpy as np

from harness.lists import IntArray
from methods.compiling import Number, into_callers, u16, u32, u64
from methods.sparcode.serving.packed_kernel.intrinsics import (
    LANES,
    clear,
    lowest_bit,
    n_bits,
    reaching,
)
from methods.sparcode.serving.packed_kernel.state import N_ITEMS, PLACES, Words, array

ONE = 1 << 15  # a weight of 1


@into_callers
def counted(entry: Number, mask: Number, weight: Number) -> Number:
    """Return what a posting adds: its impact times the weight, rounded to a whole number."""
    return ((u64(entry) & mask) * weight + u64(ONE // 2)) >> u64(15)


@into_callers
def add(
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
            totals[place] = u16(totals[place] + u16(counted(entry, mask, weight)))


@into_callers
def hide(state: IntArray, hidden: IntArray, first: Number, last: Number, totals: Words) -> Number:
    """Clear the accumulators of hidden[first:last]; return how many were not clear."""
    places = array(state, PLACES, state[N_ITEMS], np.int32)
    cleared = 0
    for at in range(first, last):
        if u64(hidden[at]) < u64(state[N_ITEMS]):
            place = u64(places[hidden[at]])
            cleared += totals[place] != u16(0)
            totals[place] = u16(0)
    return cleared


@into_callers
def collect_sparse(
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


@into_callers
def collect_dense(totals: Words, bar: Number, sums: Words, found: Words) -> tuple[Number, Number]:
    """Write the sums of all items that reach ``bar``; clear all. Returns as the other does."""
    count = touched = u64(0)
    for first in range(u64(0), u64(totals.size), u64(LANES)):
        nonzero = reaching(totals, first, u16(1))
        if nonzero == u64(0):
            continue
        touched += n_bits(nonzero)
        reached = reaching(totals, first, bar)
        while reached != u64(0):
            place = first + lowest_bit(reached)
            sums[count] = totals[place]
            found[count] = u32(place)
            count += u64(1)
            reached &= reached - u64(1)
        clear(totals, first)
    return count, touched

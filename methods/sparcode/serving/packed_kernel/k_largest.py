"""The k largest of the sums that were collected, in order."""

import numpy as np

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE
from methods.compiling import Number, i64, into_callers, u16, u32, u64
from methods.sparcode.serving.packed_kernel.intrinsics import LANES, clear, n_bits, reaching
from methods.sparcode.serving.packed_kernel.state import (
    ITEMS,
    KEYS,
    N_ITEMS,
    ROOM,
    SPARE,
    Words,
    array,
)

RANKED = 256  # keys that are sorted by counting the smaller ones; more are sorted by digits


@into_callers
def _kth_largest(sums: Words, count: Number, k: Number, low: Number, high: Number) -> Number:
    """Return the k-th largest of ``count`` sums, which are in [low, high] and more than k.

    The words behind the last are zero up to a whole step, and low is above zero.
    """
    while low < high:
        middle = (low + high + 1) >> 1
        reached = u64(0)
        for first in range(u64(0), count, u64(LANES)):
            reached += n_bits(reaching(sums, first, u16(middle)))
        if reached >= u64(k):
            low = middle
        else:
            high = middle - 1
    return low


@into_callers
def _sort(keys: Words, spare: Words, count: Number, width: Number, k: Number) -> Words:
    """Return an array whose first min(k, count) keys are the smallest, ascending; all differ."""
    if count <= RANKED:
        for at in range(count):
            key = keys[at]
            rank = u32(0)
            for other in range(count):
                rank += u32(keys[other] < key)
            spare[rank] = key
        return spare
    for shift in range(u64(0), u64(width), u64(8)):
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


@into_callers
def select(
    state: IntArray, sums: Words, found: Words, count: Number, low: Number, high: Number,
    scale: Number, ids: IntArray, best: FloatArray,
) -> None:  # fmt: skip
    """Write the k best of the collected sums, all in [low, high], into one row, in order."""
    k, room = ids.size, state[ROOM] + LANES
    keys, spare = (
        array(state, KEYS, room, np.uint64),
        array(state, SPARE, room, np.uint64),
    )
    items = array(state, ITEMS, state[N_ITEMS], np.int32)
    bar = low
    if count > u64(k):
        clear(sums, count)
        bar = _kth_largest(sums, count, k, low, high)
    kept = u64(0)
    for at in range(count):
        keys[kept] = (u64(high - sums[at]) << u64(32)) | u64(found[at])
        kept += u64(sums[at] >= u16(bar))
    bits = u64(0)
    while (state[N_ITEMS] - 1) >> bits:
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

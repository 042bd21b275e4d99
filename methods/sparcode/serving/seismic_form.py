"""Lists and queries in the form that Seismic takes, and what it finds in the form we return."""

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE
from methods.sparcode.index.postings import Postings

STEP: Final = 2.0**-22  # by which a list weighs less than an equal one before it

Int32Array = npt.NDArray[np.int32]


def documents(postings: Postings, scores: FloatArray) -> tuple[Int32Array, npt.NDArray[np.uint32]]:
    """Return the items in a list, and for each its codes and scores in Seismic's file format.

    In words of 4 bytes: the number of items; of each how many codes it has, these codes, ascending,
    and as many float32 scores.
    """
    codes = np.repeat(np.arange(postings.lengths.size, dtype=np.uint32), postings.lengths)
    order = np.argsort(postings.items, kind="stable")
    items, counts = np.unique(postings.items, return_counts=True)
    before = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
    heads = 1 + 2 * before + np.arange(items.size)  # where each item's number of codes stands
    words = np.empty(1 + items.size + 2 * order.size, np.uint32)
    words[0], words[heads] = items.size, counts
    within = np.arange(order.size) - np.repeat(before, counts)
    places = np.repeat(heads, counts) + 1 + within
    words[places] = codes[order]
    words[places + np.repeat(counts, counts)] = scores[order].astype(np.float32).view(np.uint32)
    return items.astype(np.int32), words


@numba.njit(cache=True, nogil=True)
def sort_codes(
    lists: IntArray,
    weights: FloatArray,
    n_lists: int,
    dim: int,
    query_cut: int,
    codes: Int32Array,
    values: FloatArray,
    counts: IntArray,
) -> int:
    """Fill in the queries, repeated lists as one; return a row that is wrong, or -1.

    Lists from ``dim`` on are empty and lists of weight 0 count nothing: both are left out.
    """
    for row in range(lists.shape[0]):
        count = 0
        for column in range(lists.shape[1]):
            one = lists[row, column]
            weight = np.float32(1.0) if weights.size == 0 else weights[row, column]
            if one < -1 or one >= n_lists or not weight >= 0.0:
                return row
            if one < 0 or one >= dim or weight == 0.0:
                continue
            if query_cut < lists.shape[1]:
                weight = np.float32(weight * (1.0 - column * STEP))
            place = count
            while place > 0 and codes[row, place - 1] > one:
                place -= 1
            if place > 0 and codes[row, place - 1] == one:
                values[row, place - 1] += weight
                continue
            for later in range(count, place, -1):
                codes[row, later] = codes[row, later - 1]
                values[row, later] = values[row, later - 1]
            codes[row, place], values[row, place] = one, weight
            count += 1
        counts[row] = count
    return -1


@numba.njit(cache=True, nogil=True)
def settle(items: Int32Array, scale: float, ids: IntArray, scores: FloatArray) -> None:
    """Turn documents into items and sums into scores, ties by item; a sum of 0 is no answer.

    Seismic gives the largest sums first, so that an insertion moves what ties and little else.
    """
    for row in range(ids.shape[0]):
        for column in range(ids.shape[1]):
            document = ids[row, column]
            score = np.float32(scores[row, column] * scale)
            if document == PAD_ID or not score > 0.0:
                ids[row, column], scores[row, column] = PAD_ID, PAD_SCORE
                continue
            item, place = np.int64(items[document]), column
            while place > 0 and (
                scores[row, place - 1] < score
                or (scores[row, place - 1] == score and ids[row, place - 1] > item)
            ):
                ids[row, place] = ids[row, place - 1]
                scores[row, place] = scores[row, place - 1]
                place -= 1
            ids[row, place], scores[row, place] = item, score

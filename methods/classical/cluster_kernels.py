"""Compiled kernels of `cluster_popularity`: history means, nearest centroids, walks down two lists.

Signatures are given, so that compilation happens at import (and is kept on disk), never inside a
timed fit or search. One file, because a kept compilation does not notice changes elsewhere.
"""

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray

Int32Array = npt.NDArray[np.int32]

I64, I32, F32 = (kind[::1] for kind in (numba.int64, numba.int32, numba.float32))
I64_2D, F32_2D = numba.int64[:, ::1], numba.float32[:, ::1]


@numba.njit(F32_2D(I64, I64, F32_2D), cache=True, nogil=True)
def history_directions(indptr: IntArray, ids: IntArray, vectors: FloatArray) -> FloatArray:
    """Return the mean vector of each list, at length 1, float32 (n, dim); of an empty list, 0."""
    out = np.zeros((indptr.size - 1, vectors.shape[1]), np.float32)
    for row in range(out.shape[0]):
        for place in range(indptr[row], indptr[row + 1]):
            for d in range(vectors.shape[1]):
                out[row, d] += vectors[ids[place], d]
        square = np.float32(0.0)
        for d in range(vectors.shape[1]):
            square += out[row, d] * out[row, d]
        if square > 0.0:
            for d in range(vectors.shape[1]):
                out[row, d] /= np.sqrt(square)
    return out


@numba.njit(I64(F32_2D, F32_2D), cache=True, nogil=True, fastmath=True)
def nearest_centroids(vectors: FloatArray, centroids: FloatArray) -> IntArray:
    """Return the centroid at the least squared distance of each vector; ties to the first."""
    out = np.zeros(vectors.shape[0], np.int64)
    for row in range(vectors.shape[0]):
        least = np.float32(np.inf)
        for c in range(centroids.shape[0]):
            distance = np.float32(0.0)
            for d in range(vectors.shape[1]):
                one = vectors[row, d] - centroids[c, d]
                distance += one * one
            if distance < least:
                least = distance
                out[row] = c
    return out


@numba.njit(
    numba.int64(I64, I64, I32, F32, I32, F32, F32, I64, I64, I64, I64_2D, F32_2D),
    cache=True,
    nogil=True,
)
def walk_lists(
    clusters: IntArray,
    starts: IntArray,
    items: Int32Array,
    scores: FloatArray,
    order: Int32Array,
    shares: FloatArray,
    weights: FloatArray,
    hidden_starts: IntArray,
    hidden: IntArray,
    stamps: IntArray,
    ids: IntArray,
    best: FloatArray,
) -> int:
    """Fill rows with the best items of each query's cluster; return how many entries were read.

    Two lists are walked side by side, both by score: the cluster's own, and all items by popularity
    (``order``), whose score is ``weights[cluster] * shares[place]``; of equal scores the smaller id
    comes first. What the cluster lists itself is passed over in the second, what is hidden in both.
    Where the weight is 0 the second list is not walked.

    ``stamps`` int64 (n_items + 1,) is kept from call to call: its last value counts the queries
    that were ever answered, the others say at which query an item was last hidden or listed.
    """
    read = 0
    for q in range(clusters.size):
        cluster = clusters[q]
        listed, end = starts[cluster], starts[cluster + 1]
        stamps[-1] += 2
        stamp = stamps[-1]  # of listed items; stamp + 1 of hidden ones
        for place in range(listed, end):
            stamps[items[place]] = stamp
        for place in range(hidden_starts[q], hidden_starts[q + 1]):
            stamps[hidden[place]] = stamp + 1
        read += end - listed
        popular = 0 if weights[cluster] > 0.0 else order.size
        count = 0
        while count < ids.shape[1]:
            while listed < end and stamps[items[listed]] == stamp + 1:
                listed += 1
            while popular < order.size and stamps[order[popular]] >= stamp:
                popular += 1
                read += 1
            if popular < order.size:
                item, score = order[popular], weights[cluster] * shares[popular]
                if listed < end and (
                    scores[listed] > score or (scores[listed] == score and items[listed] < item)
                ):
                    item, score = items[listed], scores[listed]
                    listed += 1
                else:
                    popular += 1
                    read += 1
            elif listed < end:
                item, score = items[listed], scores[listed]
                listed += 1
            else:
                break
            ids[q, count], best[q, count] = item, score
            count += 1
    return read

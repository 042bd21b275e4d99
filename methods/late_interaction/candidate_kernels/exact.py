"""The score of candidates: the sum of best matches with all their tokens."""

import numba
import numpy as np

from harness.arrays import Array
from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID
from methods.compiling import kept
from methods.late_interaction.candidate_kernels.matching import F2, F3, I2, L2, dot, is_there


@kept(f"void({F3},{L2},{F2},{I2},{F2})", parallel=True)
def exact_scores(
    queries: FloatArray, ids: IntArray, vectors: FloatArray, places: Array, out: FloatArray
) -> None:
    """Write the sum of best matches of each query with items of its own, (n, R); -inf of a pad."""
    for q in numba.prange(queries.shape[0]):
        tokens, n_there = queries[q], 0
        there = np.empty(tokens.shape[0], np.int64)
        for t in range(tokens.shape[0]):
            if is_there(tokens, t):
                there[n_there] = t
                n_there += 1
        for column in range(ids.shape[1]):
            item = ids[q, column]
            if item == PAD_ID:
                out[q, column] = -np.inf
                continue
            total = np.float32(0.0)
            for t in there[:n_there]:
                match = dot(tokens, t, vectors, places[item, 0])
                for s in range(1, places.shape[1]):
                    match = max(match, dot(tokens, t, vectors, places[item, s]))
                total += match
            out[q, column] = total

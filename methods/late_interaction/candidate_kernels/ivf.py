"""Candidates of an inverted file: the tokens of probed cells compared with the query's."""

import numba
import numpy as np

from harness.arrays import Array
from harness.lists import FloatArray, IntArray
from methods.compiling import into_callers, kept
from methods.late_interaction.candidate_kernels.matching import (
    F2,
    F3,
    HIDDEN,
    I1,
    I2,
    L1,
    L2,
    LISTS,
    best_cells,
    dot,
    is_there,
    keep_best,
    write_ids,
)


@into_callers
def _compare_tokens(
    tokens: FloatArray, scores: FloatArray, starts: IntArray, vectors: FloatArray, items: Array,
    cells: IntArray, values: FloatArray, touched: Array, best: FloatArray, total: FloatArray,
    found: Array, work: IntArray,
) -> int:  # fmt: skip
    """Add up the best matches in the probed cells; return how many items were found.

    ``total`` is the sum over the query's tokens of best match - what is assumed where there is
    none, so that it is up to a constant the sum with the assumption put in for matches missing.
    """
    count, n_cells = 0, scores.shape[1]
    for t in range(tokens.shape[0]):
        if not is_there(tokens, t):
            continue
        best_cells(scores, t, cells, values)
        work[0] += n_cells
        missing = values[cells.size - 1] if cells.size < n_cells else np.float32(0.0)
        for cell in cells:
            for place in range(starts[cell], starts[cell + 1]):
                item = items[place]
                state = touched[item]
                if state == HIDDEN:
                    continue
                score = dot(tokens, t, vectors, place)
                work[1] += 1
                if state == 0:
                    total[item] = 0
                    found[count] = item
                    count += 1
                if state != t + 1:
                    touched[item] = t + 1
                    total[item] += score - missing
                    best[item] = score
                elif score > best[item]:
                    total[item] += score - best[item]
                    best[item] = score
    return count


@kept(
    f"void({F3},{F3},int64,{L1},{F2},{I1},{LISTS},{LISTS},{I2},{F2},{F2},{I2},{L2},{L2})",
    parallel=True,
)
def ivf_candidates(
    queries: FloatArray, scores: FloatArray, nprobe: int, starts: IntArray, vectors: FloatArray,
    items: Array, hidden_starts: IntArray, hidden: IntArray, touched: Array,
    best: FloatArray, total: FloatArray, found: Array, work: IntArray, out: IntArray,
) -> None:  # fmt: skip
    """Write the items whose tokens in the probed cells match each query best, -1 behind them.

    ``queries`` (n, L, d), ``scores`` (n, L, n_cells) their products with the centroids, ``out``
    (n, R). The working arrays ``touched`` (zeros), ``best``, ``total``, ``found`` are (n_blocks,
    n_items), ``work`` (n_blocks, N_WORK).
    """
    n_blocks = touched.shape[0]
    for block in numba.prange(n_blocks):
        mine, sums, ids = touched[block], total[block], found[block]
        cells, values = np.empty(nprobe, np.int64), np.empty(nprobe, np.float32)
        for q in range(block, queries.shape[0], n_blocks):
            for at in range(hidden_starts[q], hidden_starts[q + 1]):
                mine[hidden[at]] = HIDDEN
            count = _compare_tokens(
                queries[q], scores[q], starts, vectors, items, cells, values, mine, best[block],
                sums, ids, work[block],
            )  # fmt: skip
            work[block, 2] += count
            for at in range(count):
                mine[ids[at]] = 0
                best[block, at] = sums[ids[at]]
            for at in range(hidden_starts[q], hidden_starts[q + 1]):
                mine[hidden[at]] = 0
            write_ids(ids, keep_best(ids, best[block], count, out.shape[1]), out[q])

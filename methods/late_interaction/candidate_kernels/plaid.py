"""Candidates by centroids alone: the tokens of items stand for their cells' centres (PLAID)."""

import numba
import numpy as np

from harness.arrays import Array
from harness.lists import FloatArray, IntArray
from methods.compiling import into_callers, kept
from methods.late_interaction.candidate_kernels.matching import (
    F1,
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
def _probe(
    tokens: FloatArray, scores: FloatArray, norms: FloatArray, t_cs: float, starts: IntArray,
    items: Array, cells: IntArray, values: FloatArray, of_cells: FloatArray, counts: Array,
    touched: Array, found: Array, work: IntArray,
) -> tuple[int, int]:  # fmt: skip
    """Find all items of the probed cells; return how many, and how many tokens the query has.

    ``of_cells`` (n_cells, L) takes the products with the tokens that are there, ``counts`` whether
    a centroid is near enough to one of them: 1; 0 if not; 2 is added where the cell was read.
    """
    count, n_there = 0, 0
    counts[:] = 0
    for t in range(tokens.shape[0]):
        if not is_there(tokens, t):
            continue
        work[0] += scores.shape[1]
        least = np.float32(t_cs) * np.sqrt(dot(tokens, t, tokens, t))
        for cell in range(scores.shape[1]):
            of_cells[cell, n_there] = scores[t, cell]
            if t_cs <= -1 or scores[t, cell] >= least * norms[cell]:
                counts[cell] |= 1
        n_there += 1
        best_cells(scores, t, cells, values)
        for cell in cells:
            if counts[cell] & 2:
                continue
            counts[cell] |= 2
            for place in range(starts[cell], starts[cell + 1]):
                item = items[place]
                work[1] += 1
                if touched[item] == 0:
                    touched[item] = 1
                    found[count] = item
                    count += 1
    return count, n_there


@into_callers
def _compare_centroids(
    found: Array, count: int, codes: Array, of_cells: FloatArray, n_there: int,
    counts: Array, all_count: bool, scores: FloatArray, matches: FloatArray,
) -> int:  # fmt: skip
    """Score items by the centroids of their tokens, those that count; return how many have one."""
    n_kept = 0
    for at in range(count):
        item, some = found[at], False
        matches[:] = -np.inf
        for s in range(codes.shape[1]):
            cell = codes[item, s]
            if not (all_count or counts[cell] & 1):
                continue
            some = True
            for t in range(n_there):
                matches[t] = max(matches[t], of_cells[cell, t])
        if some:
            total = np.float32(0.0)
            for t in range(n_there):
                total += matches[t]
            found[n_kept], scores[n_kept] = item, total
            n_kept += 1
    return n_kept


@kept(
    f"void({F3},{F3},int64,float64,int64,{F1},{L1},{I1},{I2},{LISTS},{LISTS},{I2},{F2},{I2},{L2},{L2})",
    parallel=True,
)
def plaid_candidates(
    queries: FloatArray, scores: FloatArray, nprobe: int, t_cs: float, ndocs: int,
    norms: FloatArray, starts: IntArray, items: Array, codes: Array,
    hidden_starts: IntArray, hidden: IntArray, touched: Array, best: FloatArray,
    found: Array, work: IntArray, out: IntArray,
) -> None:  # fmt: skip
    """Write the items whose tokens' centroids match each query best, -1 behind them.

    See `ivf_candidates` for the arrays, `methods.late_interaction.cells` for the index.
    """
    n_blocks, n_cells = touched.shape[0], scores.shape[2]
    for block in numba.prange(n_blocks):
        mine, ids, sums = touched[block], found[block], best[block]
        cells, values = np.empty(nprobe, np.int64), np.empty(nprobe, np.float32)
        of_cells = np.empty((n_cells, queries.shape[1]), np.float32)
        counts, matches = np.empty(n_cells, np.uint8), np.empty(queries.shape[1], np.float32)
        for q in range(block, queries.shape[0], n_blocks):
            for at in range(hidden_starts[q], hidden_starts[q + 1]):
                mine[hidden[at]] = HIDDEN
            count, n_there = _probe(
                queries[q], scores[q], norms, t_cs, starts, items, cells, values, of_cells,
                counts, mine, ids, work[block],
            )  # fmt: skip
            work[block, 2] += count
            for at in range(count):
                mine[ids[at]] = 0
            for at in range(hidden_starts[q], hidden_starts[q + 1]):
                mine[hidden[at]] = 0
            count = _compare_centroids(
                ids, count, codes, of_cells, n_there, counts, t_cs <= -1, sums, matches
            )
            count = keep_best(ids, sums, count, ndocs)
            if t_cs > -1:
                count = _compare_centroids(
                    ids, count, codes, of_cells, n_there, counts, True, sums, matches
                )
            write_ids(ids, keep_best(ids, sums, count, out.shape[1]), out[q])

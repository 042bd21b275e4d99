"""Compiled code of candidates: tokens of probed cells compared, or their centroids alone; re-score.

A query's result has the same bits alone and in any batch, and on any number of threads. Blocks of
queries run beside each other, each with rows of its own in the working arrays, which a query leaves
as it found them. All in one file, because a kept compilation does not notice changes elsewhere.
"""

from typing import Final

import numba
import numpy as np

from harness.arrays import Array
from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID

HIDDEN: Final = -1  # in `touched`: may not be a candidate
N_WORK: Final = 3  # of a block: centroids compared, tokens looked at, items that were candidates

_F1, _F2, _F3 = "float32[::1]", "float32[:,::1]", "float32[:,:,::1]"
_I1, _I2, _L1, _L2 = "int32[::1]", "int32[:,::1]", "int64[::1]", "int64[:,::1]"
_LISTS = "Array(int64, 1, 'C', readonly=True)"


@numba.njit(fastmath={"contract", "reassoc"}, cache=True, nogil=True)
def _dot(left: FloatArray, i: int, right: FloatArray, j: int) -> np.float32:
    total = np.float32(0.0)
    for d in range(left.shape[1]):
        total += left[i, d] * right[j, d]
    return total


@numba.njit(cache=True, nogil=True)
def _is_there(tokens: FloatArray, t: int) -> bool:
    """Return whether a query has token t: it is not all zeros."""
    for d in range(tokens.shape[1]):  # noqa: SIM110  numba compiles no generator
        if tokens[t, d] != 0:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _best_cells(scores: FloatArray, t: int, cells: IntArray, values: FloatArray) -> None:
    """Write the cells of the largest scores[t], as many as ``cells`` takes, best first."""
    count, wanted = 0, cells.size
    for cell in range(scores.shape[1]):
        score = scores[t, cell]
        if wanted == scores.shape[1]:  # all: their order means nothing
            cells[cell], values[cell] = cell, score
            continue
        if count == wanted and score <= values[count - 1]:
            continue
        at = min(count, wanted - 1)
        count = min(count + 1, wanted)
        while at > 0 and values[at - 1] < score:
            cells[at], values[at] = cells[at - 1], values[at - 1]
            at -= 1
        cells[at], values[at] = cell, score


@numba.njit(cache=True, nogil=True)
def _keep_best(found: Array, scores: FloatArray, count: int, wanted: int) -> int:
    """Keep the ``wanted`` best of the first ``count`` pairs, in their order; return how many."""
    if count <= wanted:
        return count
    floor = np.partition(scores[:count], count - wanted)[count - wanted]
    ties = wanted
    for at in range(count):
        ties -= scores[at] > floor
    kept = 0
    for at in range(count):
        if scores[at] < floor or (scores[at] == floor and ties == 0):
            continue
        ties -= scores[at] == floor
        found[kept], scores[kept] = found[at], scores[at]
        kept += 1
    return kept


@numba.njit(cache=True, nogil=True)
def _write(found: Array, count: int, out: IntArray) -> None:
    for at in range(out.size):
        out[at] = found[at] if at < count else PAD_ID


@numba.njit(cache=True, nogil=True)
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
        if not _is_there(tokens, t):
            continue
        _best_cells(scores, t, cells, values)
        work[0] += n_cells
        missing = values[cells.size - 1] if cells.size < n_cells else np.float32(0.0)
        for cell in cells:
            for place in range(starts[cell], starts[cell + 1]):
                item = items[place]
                state = touched[item]
                if state == HIDDEN:
                    continue
                score = _dot(tokens, t, vectors, place)
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


@numba.njit(
    f"void({_F3},{_F3},int64,{_L1},{_F2},{_I1},{_LISTS},{_LISTS},{_I2},{_F2},{_F2},{_I2},{_L2},{_L2})",
    cache=True,
    nogil=True,
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
            _write(ids, _keep_best(ids, best[block], count, out.shape[1]), out[q])


@numba.njit(cache=True, nogil=True)
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
        if not _is_there(tokens, t):
            continue
        work[0] += scores.shape[1]
        least = np.float32(t_cs) * np.sqrt(_dot(tokens, t, tokens, t))
        for cell in range(scores.shape[1]):
            of_cells[cell, n_there] = scores[t, cell]
            if t_cs <= -1 or scores[t, cell] >= least * norms[cell]:
                counts[cell] |= 1
        n_there += 1
        _best_cells(scores, t, cells, values)
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


@numba.njit(cache=True, nogil=True)
def _compare_centroids(
    found: Array, count: int, codes: Array, of_cells: FloatArray, n_there: int,
    counts: Array, all_count: bool, scores: FloatArray, matches: FloatArray,
) -> int:  # fmt: skip
    """Score items by the centroids of their tokens, those that count; return how many have one."""
    kept = 0
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
            found[kept], scores[kept] = item, total
            kept += 1
    return kept


@numba.njit(
    f"void({_F3},{_F3},int64,float64,int64,{_F1},{_L1},{_I1},{_I2},{_LISTS},{_LISTS},{_I2},{_F2},{_I2},{_L2},{_L2})",
    cache=True,
    nogil=True,
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
            count = _keep_best(ids, sums, count, ndocs)
            if t_cs > -1:
                count = _compare_centroids(
                    ids, count, codes, of_cells, n_there, counts, True, sums, matches
                )
            _write(ids, _keep_best(ids, sums, count, out.shape[1]), out[q])


@numba.njit(f"void({_F3},{_L2},{_F2},{_I2},{_F2})", cache=True, nogil=True, parallel=True)
def exact_scores(
    queries: FloatArray, ids: IntArray, vectors: FloatArray, places: Array, out: FloatArray
) -> None:
    """Write the sum of best matches of each query with items of its own, (n, R); -inf of a pad."""
    for q in numba.prange(queries.shape[0]):
        tokens, n_there = queries[q], 0
        there = np.empty(tokens.shape[0], np.int64)
        for t in range(tokens.shape[0]):
            if _is_there(tokens, t):
                there[n_there] = t
                n_there += 1
        for column in range(ids.shape[1]):
            item = ids[q, column]
            if item == PAD_ID:
                out[q, column] = -np.inf
                continue
            total = np.float32(0.0)
            for t in there[:n_there]:
                match = _dot(tokens, t, vectors, places[item, 0])
                for s in range(1, places.shape[1]):
                    match = max(match, _dot(tokens, t, vectors, places[item, s]))
                total += match
            out[q, column] = total

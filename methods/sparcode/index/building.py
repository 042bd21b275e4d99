"""Building the index: every code's list, in blocks whose memory is stated beforehand."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from harness.errors import MethodError
from harness.lists import IntArray
from harness.stages import Mark, no_mark
from methods.sparcode.index.best_of_codes import BestOfCodes, best_of_codes
from methods.sparcode.index.bounds import BLOCK_ITEMS
from methods.sparcode.index.cut import CutRules
from methods.sparcode.index.held import HeldPostings
from methods.sparcode.index.postings import Postings
from methods.sparcode.index.scorer import BlockBounds, CodeScorer

MEMORY_BUDGET_MB = 2000.0
BLOCK_PAIRS = {"cpu": 1 << 22}  # scored at once: threads seldom meet; on other devices:
DEVICE_PAIRS = 1 << 25
CODES_AT_ONCE = {"cpu": 1024}
DEVICE_CODES = 2048
WORK_SHARE = 0.4  # of the memory; the rest is for postings
SELECT_BYTES = {"cpu": 1}  # of a pair while the best are chosen, beside `pair_bytes`; elsewhere:
DEVICE_SELECT_BYTES = 40
LIST_BYTES = 40  # of a posting of the codes at work: two keys, and its way out of them
BOUND_BYTES = 24  # of a code's bound over a block of items, and of what it is made from
ITEM_BYTES = 16  # of an item while `max_per_item` is applied
HOPELESS = 0.1  # share of pairs that bounds must leave out, or they are not asked again
Report = Callable[[int, int], None]


def ignore(done: int, total: int) -> None:
    """Ignore all news."""


class _Blocks(NamedTuple):
    """Codes at once, and the edges of blocks of items, int64 (n_blocks + 1,); finer with bounds."""

    codes: int
    edges: IntArray
    fine_edges: IntArray


def build_lists(
    scorer: CodeScorer,
    rules: CutRules | None = None,
    memory_budget_mb: float = MEMORY_BUDGET_MB,
    progress: Report = ignore,
    mark: Mark = no_mark,
) -> Postings:
    """Return the list of every code: what the rules leave of the items with s + b > 0.

    Every pair is scored once, or not at all where the scorer's bounds show that it cannot stay.
    Bounds that leave out less than a tenth of the pairs of some codes are not asked again. The
    result is what `methods.sparcode.index.cut.cut_postings` leaves of the uncut lists, exactly, up
    to the last bit of scores that depend on the size of a block.

    Parameters
    ----------
    rules : None: all positive scores stay.
    memory_budget_mb : megabytes (10^6 bytes) that the build may take beside the scorer's own
        tensors, its result included. On a device the blocks lie there.
    progress : hears of codes done and of all codes.
    mark : hears of ``precompute``, scores and the choice among them, and of ``index_build``.

    Raises
    ------
    MethodError
        The lists, or the work for one code, need more memory; or a score is not finite.
    """
    rules = rules or CutRules()
    budget = int(memory_budget_mb * 1e6) - 24 * scorer.n_codes  # lengths and starts
    if rules.max_per_item is not None:
        budget -= ITEM_BYTES * scorer.n_items
    kept = max(1, rules.most_of_a_code(scorer.n_items))
    blocks = _plan(scorer, kept, int(budget * WORK_SHARE))
    bounds = scorer.upper_bounds(blocks.fine_edges) if scorer.bounded and scorer.n_items else None
    held = HeldPostings(rules, scorer.n_codes, scorer.n_items, int(budget * (1 - WORK_SHARE)))
    for first in range(0, scorer.n_codes, blocks.codes):
        after = min(first + blocks.codes, scorer.n_codes)
        best = best_of_codes(scorer.device, after - first, kept, scorer.n_items, held.floor)
        if bounds is None:
            _score_all(scorer, blocks.edges, first, after, best)
        else:
            left_out = _score_hopeful(scorer, bounds, blocks.fine_edges, first, after, best)
            if left_out < HOPELESS and (rules.budget is None or held.floor > 0):
                bounds = None
        held.add(*best.finish())
        mark("precompute")
        progress(after, scorer.n_codes)
    postings = held.finish()
    mark("index_build")
    return postings


def _plan(scorer: CodeScorer, kept: int, memory_bytes: int) -> _Blocks:
    """Choose blocks whose scores and lists fit."""
    kind = scorer.device.type
    pair_bytes = scorer.pair_bytes + SELECT_BYTES.get(kind, DEVICE_SELECT_BYTES)
    pairs = min(BLOCK_PAIRS.get(kind, DEVICE_PAIRS), memory_bytes // 3 // pair_bytes)
    most_codes = memory_bytes // 3 // (LIST_BYTES * kept)
    if pairs < 1 or most_codes < 1:
        raise MethodError(
            f"{memory_bytes / WORK_SHARE / 1e6:.3g} MB are left of memory_budget_mb, and work for "
            f"one code needs {3 * max(pair_bytes, LIST_BYTES * kept) / WORK_SHARE / 1e6:.3g}: "
            "raise it, or lower top_per_code"
        )
    codes = min(CODES_AT_ONCE.get(kind, DEVICE_CODES), most_codes, pairs, scorer.n_codes or 1)
    if scorer.bounded:
        n_bounds = memory_bytes // 3 // BOUND_BYTES
        codes = max(1, min(codes, n_bounds * BLOCK_ITEMS // max(1, scorer.n_items)))
    items = pairs // codes
    fine = min(items, BLOCK_ITEMS)
    return _Blocks(codes, _edges(scorer.n_items, items), _edges(scorer.n_items, fine))


def _edges(n_items: int, size: int) -> IntArray:
    """Return the edges of blocks of ``size`` items; the last may be smaller."""
    return np.concatenate((np.arange(0, n_items, size), [n_items])).astype(np.int64)


def _score_all(
    scorer: CodeScorer, edges: IntArray, first: int, after: int, best: BestOfCodes
) -> None:
    rows = np.arange(after - first)
    for start, end in pairwise(edges.tolist()):
        best.offer(scorer.scores(first, after, start, end), scorer.item_ids[start:end], rows)


def _score_hopeful(
    scorer: CodeScorer,
    bounds: BlockBounds,
    edges: IntArray,
    first: int,
    after: int,
    best: BestOfCodes,
) -> float:
    """Score the most promising blocks first, and of a block only the codes it may help.

    Returns the share of pairs that were not scored.

    A block is left out for a code where its bound is not above zero or is below the code's bar: at
    the bar an item still counts, for its id may be the smaller one. A bound that is NaN leaves
    nothing out.
    """
    limits = bounds.of_codes(first, after).cpu().numpy()  # (codes, blocks)
    n_scored = 0
    for block in np.argsort(-limits.max(axis=0), kind="stable").tolist():
        limit = limits[:, block]
        hopeful = np.flatnonzero(~((limit <= 0) | (limit < best.bars())))
        if not hopeful.size:
            continue
        start, end = int(edges[block]), int(edges[block + 1])
        scores = scorer.scores_of(first + hopeful, start, end)
        best.offer(scores, scorer.item_ids[start:end], hopeful)
        n_scored += hopeful.size * (end - start)
    return 1 - n_scored / ((after - first) * scorer.n_items)

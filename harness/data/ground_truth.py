"""Ground truth: exact search by a method's own exhaustive score, in blocks of bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.interactions import Queries
from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, PAD_SCORE, TopK, concatenate, select_top_k

Scorer = Callable[[Queries, IntArray], FloatArray]
BLOCK_SCORES = 16_000_000  # scores held at once: 64 MB of float32


@dataclass(frozen=True, slots=True)
class ExactSearch:
    """What exhaustive scoring says of n queries.

    Attributes
    ----------
    best : the exact k best, hidden items left out.
    scores_of_returned : float32 (n, width), the exact score of each returned id; -inf for a pad
        and for a hidden item.
    """

    best: TopK
    scores_of_returned: FloatArray


def exact_search(
    score: Scorer, queries: Queries, n_items: int, k: int, returned: IntArray
) -> ExactSearch:
    """Score every item for every query by ``score``.

    Parameters
    ----------
    score : queries, item ids int64 (m,) -> float32 (n, m); see `Retriever.score`.
    returned : int64 (n, width), ids whose exact scores are wanted, -1 for pads.
    """
    items = np.arange(n_items, dtype=np.int64)
    rows_at_once = max(1, BLOCK_SCORES // n_items)
    best, wanted = [], []
    for start in range(0, len(queries), rows_at_once):
        rows = np.arange(start, min(start + rows_at_once, len(queries)))
        block = queries.take(rows)
        scores = np.array(score(block, items), dtype=np.float32)  # a copy: hiding writes into it
        scores[block.hidden.rows, block.hidden.ids] = PAD_SCORE
        best.append(select_top_k(scores, k))
        ids = returned[rows]
        known = np.clip(ids, 0, n_items - 1)
        of_ids = np.take_along_axis(scores, known, axis=1)
        wanted.append(np.where((ids != PAD_ID) & (ids == known), of_ids, PAD_SCORE))
    return ExactSearch(concatenate(best), np.concatenate(wanted).astype(np.float32))


def exact_top_k(score: Scorer, queries: Queries, n_items: int, k: int) -> TopK:
    """Return the k best items of every query by ``score``, hidden items left out."""
    nothing = np.empty((len(queries), 0), np.int64)
    return exact_search(score, queries, n_items, k, nothing).best

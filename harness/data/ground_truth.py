"""Ground truth: the exact top k by a method's own exhaustive score, in blocks of bounded memory."""

from collections.abc import Callable

import numpy as np

from harness.interactions import Queries
from harness.lists import FloatArray, IntArray
from harness.topk import TopK, concatenate, select_top_k

Scorer = Callable[[Queries, IntArray], FloatArray]
BLOCK_SCORES = 16_000_000  # scores held at once: 64 MB of float32


def exact_top_k(score: Scorer, queries: Queries, n_items: int, k: int) -> TopK:
    """Return the k best items of every query by ``score``, hidden items left out.

    ``score`` maps queries and item ids int64 (m,) to float32 (n, m); every item is scored.
    """
    items = np.arange(n_items, dtype=np.int64)
    rows = max(1, BLOCK_SCORES // n_items)
    parts = []
    for start in range(0, len(queries), rows):
        block = queries.take(np.arange(start, min(start + rows, len(queries))))
        parts.append(select_top_k(score(block, items), k, block.hidden))
    return concatenate(parts)

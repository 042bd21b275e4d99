"""TopK, the answer to queries, and the one tie rule: score descending, then item id ascending."""

from dataclasses import dataclass

import numpy as np

from harness.lists import FloatArray, IntArray, Lists

PAD_ID = -1
PAD_SCORE = -np.inf
GROUP = 16  # columns of which only the largest is looked at first, where rows are wide


@dataclass(frozen=True, slots=True)
class TopK:
    """The answer to n queries, best first.

    Attributes
    ----------
    ids : int64 (n, k). Where fewer than k items are found, the rest of the row is -1.
    scores : float32 (n, k), never rising along a row; -inf where the id is -1. Equal scores stand
        in ascending order of id. Scores of different methods are not comparable.
    """

    ids: IntArray
    scores: FloatArray

    def __post_init__(self) -> None:
        if self.ids.shape != self.scores.shape or self.ids.ndim != 2:
            raise ValueError(f"ids {self.ids.shape} and scores {self.scores.shape} must be (n, k)")

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def k(self) -> int:
        """Return the width of the lists."""
        return int(self.ids.shape[1])


def concatenate(parts: list[TopK]) -> TopK:
    """Return the answers of ``parts``, one after another; all of the same k."""
    return TopK(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def select_top_k(scores: FloatArray, k: int, hidden: Lists | None = None) -> TopK:
    """Return the k best columns of each row, by the tie rule.

    Parameters
    ----------
    scores : float32 (n, n_items), without NaN; -inf marks what may not be returned.
    k : at most n_items.
    hidden : Lists of n rows, columns that may not be returned, or None.

    Notes
    -----
    A score that k columns reach is found first; all columns at or above it are then ordered, so
    ties at the boundary go to the smaller id, whatever the selection algorithm does with them.

    >>> select_top_k(np.array([[1, 3, 3, 0]], np.float32), 2).ids.tolist()
    [[1, 2]]
    """
    scores = np.array(scores, dtype=np.float32)  # a copy: hiding writes into it
    n = len(scores)
    if hidden is not None:
        scores[hidden.rows, hidden.ids] = PAD_SCORE
    floor = _floor(scores, k)
    rows, columns = np.nonzero((scores >= floor[:, None]) & (scores > PAD_SCORE))
    values = scores[rows, columns]
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    rank = np.arange(rows.size) - np.searchsorted(rows, rows, side="left")
    kept = rank < k
    ids = np.full((n, k), PAD_ID, np.int64)
    best = np.full((n, k), PAD_SCORE, np.float32)
    ids[rows[kept], rank[kept]] = columns[kept]
    best[rows[kept], rank[kept]] = values[kept]
    return TopK(ids, best)


def _floor(scores: FloatArray, k: int) -> FloatArray:
    """Return for each row a score that at least k columns reach, float32 (n,).

    Of a narrow row the k-th largest. Of a wide one the k-th largest of the maxima of groups: k
    groups hold a column that reaches it, so it is at most the k-th largest, and few exceed it.
    """
    n, width = scores.shape
    n_groups = width // GROUP
    if n_groups >= GROUP * k:
        grouped = scores[:, : n_groups * GROUP].reshape(n, GROUP, n_groups)
        scores, width = grouped.max(axis=1), n_groups
    if k >= width:
        return np.full(n, PAD_SCORE, np.float32)
    return np.asarray(np.partition(scores, width - k, axis=1)[:, width - k])


def drop_hidden(found: TopK, hidden: Lists, k: int) -> TopK:
    """Return the first k answers of each row that are not hidden, padded where fewer are left.

    For a method whose index cannot filter: it asks for k + (longest hidden list) and drops here.
    ``found`` may hold pads; the order of what stays is kept.
    """
    n = len(found)
    n_ids = int(max(found.ids.max(initial=0), hidden.ids.max(initial=0))) + 1
    key = np.arange(n, dtype=np.int64)[:, None] * n_ids + found.ids
    banned = np.isin(key, hidden.rows * n_ids + hidden.ids) if hidden.ids.size else False
    keep = (found.ids != PAD_ID) & ~np.asarray(banned)
    place = np.cumsum(keep, axis=1) - 1
    keep &= place < k
    rows, columns = np.nonzero(keep)
    ids = np.full((n, k), PAD_ID, np.int64)
    scores = np.full((n, k), PAD_SCORE, np.float32)
    ids[rows, place[rows, columns]] = found.ids[rows, columns]
    scores[rows, place[rows, columns]] = found.scores[rows, columns]
    return TopK(ids, scores)

"""Hits: at which ranks relevant items were returned. Every quality formula reads only this."""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from harness.lists import IntArray, Lists

RankArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Hits:
    """The ranks of hits of n queries, ascending in each, and how many items are relevant.

    Attributes
    ----------
    indptr : int64 (n + 1,); the hits of query q are ``ranks[indptr[q]:indptr[q + 1]]``.
    ranks : int32 (n_hits,), 1 is the best.
    n_relevant : int64 (n,), distinct relevant items of each query, >= 1.
    """

    indptr: IntArray
    ranks: RankArray
    n_relevant: IntArray

    def __len__(self) -> int:
        return self.n_relevant.size


def find_hits(ids: npt.NDArray[Any], relevant: Lists, n_items: int) -> Hits:
    """Return where the returned ids are relevant.

    Parameters
    ----------
    ids : integers (n, k), best first. What lies outside ``range(n_items)``, pads included, never
        hits. An id that occurs again in its row hits only at its first place.
    relevant : n lists of item ids, none empty.

    Raises
    ------
    ValueError
        Numbers of rows differ, a query has no relevant item (its recall is undefined: leave such
        queries out when the data are split), or a relevant id is not in the catalogue.
    """
    if ids.ndim != 2 or ids.shape[0] != len(relevant):
        raise ValueError(f"ids have shape {ids.shape}, expected ({len(relevant)}, k)")
    empty = np.flatnonzero(relevant.lengths == 0)
    if empty.size:
        raise ValueError(
            f"{empty.size} queries have no relevant items, the first is query {empty[0]}; "
            "leave them out"
        )
    if relevant.ids.size and (relevant.ids.min() < 0 or relevant.ids.max() >= n_items):
        raise ValueError(f"relevant ids must lie in 0..{n_items - 1}")
    rows = np.ascontiguousarray(ids, dtype=np.int64)
    indptr, ranks, n_relevant = _find(rows, relevant.indptr, relevant.ids, n_items)
    return Hits(indptr, ranks, n_relevant)


@numba.njit(cache=True)
def _find(
    ids: IntArray, starts: IntArray, relevant: IntArray, n_items: int
) -> tuple[IntArray, RankArray, IntArray]:
    """Mark the relevant items of a query in a table, then read its list against the table.

    The mark is the query's number, so the table is never cleared; a hit takes its mark away,
    which is why a duplicate does not hit again.
    """
    n, width = ids.shape
    marks = np.zeros(n_items, np.int32)
    indptr = np.zeros(n + 1, np.int64)
    ranks = np.empty(relevant.size, np.int32)
    n_relevant = np.zeros(n, np.int64)
    n_hits = 0
    for query in range(n):
        mark = query + 1
        for at in range(starts[query], starts[query + 1]):
            if marks[relevant[at]] != mark:
                marks[relevant[at]] = mark
                n_relevant[query] += 1
        for rank in range(width):
            item = ids[query, rank]
            if 0 <= item < n_items and marks[item] == mark:
                marks[item] = 0
                ranks[n_hits] = rank + 1
                n_hits += 1
        indptr[query + 1] = n_hits
    return indptr, ranks[:n_hits].copy(), n_relevant

"""Growth: whether memory grows with every query, as it does where something is never freed."""

import time

import numpy as np

from harness.interactions import Queries
from harness.measure.memory import anonymous_bytes
from harness.retriever import Retriever

PASSES = 3  # over the same queries, after one more that fills what is filled once
LEAST_BYTES = 256 * 1024  # a pass; less is the allocator's doing
PASS_S = 2.0  # about; fewer queries are sent where they are slow


def growth_per_query(retriever: Retriever, queries: Queries, k: int) -> int:
    """Return the bytes by which memory grows a query, 0 where it does not grow in every pass.

    The same queries are sent one by one, pass after pass. A cache of them, a buffer or an arena
    grows in one pass or another; only what is never freed grows by `LEAST_BYTES` in all of them.
    The least of the passes counts.
    """
    singles = [queries.take(np.array([row])) for row in range(len(queries))]
    begun = time.perf_counter()
    retriever.search(singles[0], k)
    n_sent = int(min(len(singles), max(1.0, PASS_S / (time.perf_counter() - begun + 1e-9))))
    reached = []
    for _ in range(1 + PASSES):
        for one in singles[:n_sent]:
            retriever.search(one, k)
        reached.append(anonymous_bytes())
    least = int(np.diff(reached).min())
    return least // n_sent if least >= LEAST_BYTES else 0

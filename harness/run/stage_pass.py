"""The pass that times stages: which queries it sends, and the fields of a record that it fills."""

from typing import Any

import numpy as np

from harness.interactions import Queries
from harness.measure.clock import Clock
from harness.measure.stages import time_stages
from harness.retriever import Retriever

N_SINGLES = 256  # queries sent one by one, at most
N_BATCHES = 8  # or batches


def stage_fields(
    retriever: Retriever, queries: Queries, k: int, clock: Clock, batch: int
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return ``stages_s`` and ``stages_gap`` for calls of ``batch`` queries, and warnings.

    A method that raises here has its error counted in the timed pass; here it is a warning.
    """
    batch = batch or len(queries)  # 0: all in one call
    n = min(len(queries), N_SINGLES if batch == 1 else N_BATCHES * batch)
    try:
        times = time_stages(retriever, queries.take(np.arange(n)), k, clock, batch=batch)
    except MemoryError:
        raise
    except Exception as error:  # becomes a warning of the record
        return {}, (f"stages were not timed: {type(error).__name__}: {error}"[:300],)
    return {"stages_s": times.stages_s, "stages_gap": times.gap}, times.warnings

"""The codes that a served model gives the queries of its training log."""

from collections.abc import Iterator

import numpy as np

from harness.interactions import Interactions
from harness.lists import FloatArray, IntArray
from methods.encoders.serving import history_limit
from methods.sparcode.serving.served_model import ServedModel

ENCODED_AT_ONCE = 1024


def codes_of_log(
    served: ServedModel, log: Interactions, max_history: int
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield codes and weights of all training queries, some at a time."""
    limit = history_limit(log.ordered, max_history)
    if log.event_fields is None:  # a query per user
        users, first = np.flatnonzero(log.events.lengths), log.events.indptr
        events = first[users]
    else:  # a query per event: the context is part of it
        users, events = log.user_ids, np.arange(log.n_events)
    for start in range(0, len(users), ENCODED_AT_ONCE):
        rows = slice(start, start + ENCODED_AT_ONCE)
        history = log.events.take(users[rows])
        coded = served.encode(history, log.query_fields(events[rows]), limit)
        yield coded.codes, coded.weights

"""Training events -> batches of (query, target item), the target never in its own history."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.fields import Fields
from harness.interactions import Interactions, Queries
from harness.lists import IntArray, Lists


@dataclass(frozen=True, slots=True)
class Batch:
    """n examples.

    Attributes
    ----------
    targets : int64 (n,), the items to be ranked first.
    history : Lists of n rows, items the user met beside the target.
    fields : n rows of the query side's fields, or None.
    """

    targets: IntArray
    history: Lists
    fields: Fields | None


def epoch_batches(
    train: Interactions, batch_size: int, max_history: int, random: np.random.Generator
) -> Iterator[Batch]:
    """Yield every training event once as a target, in random order.

    In an ordered log the history is the ``max_history`` events before the target. In any other
    log it is as many of the user's other events, drawn anew each epoch. An event with the target's
    own item is left out of the history, so a repeated item cannot give the target away.
    """
    order = random.permutation(train.n_events)
    shuffled = np.arange(train.n_events)
    if not train.ordered:
        keys = random.random(train.n_events)
        shuffled = np.lexsort((keys, train.user_ids))  # each user's events in random order
    for start in range(0, train.n_events, batch_size):
        places = order[start : start + batch_size]
        yield _make_batch(train, shuffled, places, max_history)


def _make_batch(
    train: Interactions, shuffled: IntArray, places: IntArray, max_history: int
) -> Batch:
    events = shuffled[places]
    users = np.searchsorted(train.events.indptr, places, side="right") - 1
    first, after = train.events.indptr[users], train.events.indptr[users + 1]
    if train.ordered:
        lengths = np.minimum(places - first, max_history)
    else:
        lengths = np.minimum(after - first - 1, max_history)
    rows = np.repeat(np.arange(places.size), lengths)
    step = np.arange(rows.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    if train.ordered:
        where = places[rows] - lengths[rows] + step
    else:  # the events after the target, going round: never the target itself
        where = first[rows] + (places[rows] - first[rows] + 1 + step) % (after - first)[rows]
    targets = train.item_ids[events]
    items = train.item_ids[shuffled[where]]
    kept = items != targets[rows]
    history = Lists.from_pairs(rows[kept], items[kept], places.size)
    return Batch(targets, history, train.query_fields(events))


def serving_history(queries: Queries, ordered: bool, max_history: int) -> Lists:
    """Return the history a query is encoded from: the last events of an ordered log, else all."""
    return queries.history.tail(max_history) if ordered else queries.history

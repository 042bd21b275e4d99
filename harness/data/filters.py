"""Filters: what is left out of a log before it is split, in one fixed order."""

from dataclasses import replace

import numpy as np

from harness.data.log import Log, RenumberedTruth
from harness.data.split_spec import SplitSpec
from harness.errors import DatasetError
from harness.lists import IntArray


def filter_log(log: Log, spec: SplitSpec) -> Log:
    """Return the log after minimum rating, removal of repeats, k-core, and removal of fields.

    They come in this order. Where a rating or k-core filter is asked for, users and items left
    without events vanish and the others are renumbered in the same order, so that the catalogue is
    what can be relevant.

    Raises
    ------
    DatasetError
        The log has no ratings to filter by, or nothing is left; fields are to be left out of a log
        whose events carry a context, which decides what a query is.
    """
    if spec.min_rating is not None:
        if log.ratings is None:
            raise DatasetError(f"min_rating = {spec.min_rating}: this data set has no ratings")
        log = log.take_events(np.flatnonzero(log.ratings >= spec.min_rating))
    if spec.deduplicate:
        log = drop_repeats(log)
    if spec.min_user_events > 0 or spec.min_item_events > 0:
        log = k_core(log, spec.min_user_events, spec.min_item_events)
    if log.n_events == 0:
        raise DatasetError(f"no event is left after the filters of {spec.protocol()}")
    if spec.fields == "none":
        log = without_fields(log)
    if spec.min_rating is None and not (spec.min_user_events or spec.min_item_events):
        return log
    return compact(log)


def drop_repeats(log: Log) -> Log:
    """Return the log with the first event of each user and item only."""
    pairs = log.user_ids * log.n_items + log.item_ids
    first = np.unique(pairs, return_index=True)[1]
    return log if first.size == log.n_events else log.take_events(np.sort(first))


def k_core(log: Log, min_user_events: int, min_item_events: int) -> Log:
    """Return the largest part in which every user and item has at least so many events."""
    while True:
        of_user = np.bincount(log.user_ids, minlength=log.n_users)
        of_item = np.bincount(log.item_ids, minlength=log.n_items)
        kept = (of_user[log.user_ids] >= min_user_events) & (
            of_item[log.item_ids] >= min_item_events
        )
        if kept.all():
            return log
        log = log.take_events(np.flatnonzero(kept))


def without_fields(log: Log) -> Log:
    """Return the log without what is known of users and items.

    Raises
    ------
    DatasetError
        Its events carry a context.
    """
    if log.event_fields is not None:
        names = ", ".join(log.event_fields.columns)
        raise DatasetError(f'fields = "none": events carry a context ({names}), which is asked for')
    return replace(log, user_fields=None, item_fields=None)


def compact(log: Log) -> Log:
    """Return the log without users and items that have no event; order of ids is kept."""
    users, user_ids = np.unique(log.user_ids, return_inverse=True)
    items, item_ids = np.unique(log.item_ids, return_inverse=True)
    return replace(
        log,
        user_ids=_flat(user_ids),
        item_ids=_flat(item_ids),
        n_users=users.size,
        n_items=items.size,
        user_fields=None if log.user_fields is None else log.user_fields.take(users),
        item_fields=None if log.item_fields is None else log.item_fields.take(items),
        truth=None if log.truth is None else RenumberedTruth(log.truth, items),
    )


def _flat(ids: IntArray) -> IntArray:
    return ids.reshape(-1).astype(np.int64)  # NumPy 2.0 alone shaped the inverse like the input

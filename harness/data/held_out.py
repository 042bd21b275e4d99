"""Held-out queries: the events to predict, what is known before them, and the cold ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.data.log import Log
from harness.data.split_spec import Cold, SplitSpec
from harness.errors import DatasetError
from harness.fields import Fields
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import IntArray, Lists

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Share:
    """Which events (bool, n_events) are histories and which are answers of one part."""

    name: str
    history: BoolArray
    answers: BoolArray


def held_out(
    log: Log, spec: SplitSpec, train: Interactions, share: Share
) -> tuple[HeldOut, dict[str, int]]:
    """Return the queries of one part, and how many cold items and users were dropped.

    One query per user, or per event where events carry a context. A query's user is -1 where
    ``train`` holds no event of the user. Users without answers make no query.

    Raises
    ------
    DatasetError
        A cold test item or user under the policy "error"; it names one, the count and the option.
    """
    history = Lists.from_pairs(
        log.user_ids[share.history], log.item_ids[share.history], log.n_users
    )
    events = np.flatnonzero(share.answers)
    seen = np.bincount(train.item_ids, minlength=log.n_items) > 0
    events, cold_items = _apply(
        spec.cold_items, "cold_items", log, events, ~seen[log.item_ids[events]], share.name
    )
    events, cold_users = _apply(
        spec.cold_users,
        "cold_users",
        log,
        events,
        history.lengths[log.user_ids[events]] == 0,
        share.name,
    )
    dropped = {
        f"{share.name}_events_of_cold_items": cold_items,
        f"{share.name}_events_of_cold_users": cold_users,
    }
    if log.event_fields is None:
        users, query = np.unique(log.user_ids[events], return_inverse=True)
        context = None
    else:
        users, query = log.user_ids[events], np.arange(events.size, dtype=np.int64)
        context = log.event_fields.take(events)
    histories = history.take(users)
    queries = Queries(
        user_ids=np.where(train.events.lengths[users] > 0, users, -1),
        history=histories,
        hidden=distinct(histories) if spec.hide_seen else Lists.empty(users.size),
        fields=_query_fields(log, users, context),
    )
    answers = Lists.from_pairs(query.reshape(-1), log.item_ids[events], users.size)
    return HeldOut(queries, distinct(answers)), dropped


def distinct(lists: Lists) -> Lists:
    """Return each list's ids once, ascending."""
    order = np.lexsort((lists.ids, lists.rows))
    rows, ids = lists.rows[order], lists.ids[order]
    kept = np.ones(ids.size, np.bool_)
    kept[1:] = (rows[1:] != rows[:-1]) | (ids[1:] != ids[:-1])
    return Lists.from_pairs(rows[kept], ids[kept], len(lists))


def _apply(
    policy: Cold, option: str, log: Log, events: IntArray, cold: BoolArray, part: str
) -> tuple[IntArray, int]:
    n = int(cold.sum())
    if n == 0 or policy == "keep":
        return events, 0
    if policy == "error" and part == "test":
        first = int(events[cold][0])
        item, user = log.item_ids[first], log.user_ids[first]
        fault = {
            "cold_items": f"item {item} (of user {user}) never occurs in training",
            "cold_users": f"user {user} (asked for item {item}) has no training items",
        }[option]
        raise DatasetError(
            f"{n} of {events.size} test events are cold: {fault}; "
            f'set {option} = "drop" or "keep" in the split'
        )
    return events[~cold], n


def _query_fields(log: Log, users: IntArray, context: Fields | None) -> Fields | None:
    """Return the user's fields, then the context's: the order of `Interactions.query_fields`."""
    if log.user_fields is None:
        return context
    fields = log.user_fields.take(users)
    return fields if context is None else fields.merge(context)

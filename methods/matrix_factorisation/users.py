"""Users as a query field: how the row of a user in training travels with examples and queries."""

import dataclasses

import numpy as np

from harness.fields import Categorical, Fields
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import IntArray
from methods.batches import Batch

FIELD = "user"


def with_users(train: Interactions) -> Interactions:
    """Return the log with its users as the one query field; it has no other fields."""
    users = _field(np.arange(train.n_users), train.n_users)
    return dataclasses.replace(train, user_fields=users, item_fields=None, event_fields=None)


def asked_by_users(held_out: HeldOut | None, n_users: int) -> HeldOut | None:
    """Return held-out queries with their users as the one field."""
    if held_out is None:
        return None
    asked: Queries = held_out.queries
    queries = dataclasses.replace(asked, fields=_field(asked.user_ids, n_users))
    return HeldOut(queries, held_out.relevant)


def users_of(batch: Batch) -> IntArray:
    """Return the users of examples, int64 (n,), -1 for one unknown in training."""
    assert batch.fields is not None, "the log was made by with_users"
    column = batch.fields.columns[FIELD]
    assert isinstance(column, Categorical)
    return column.ids - 1


def _field(users: IntArray, n_users: int) -> Fields:
    """Return the field: 0 stands for an unknown user, 1 + r for row r."""
    return Fields(len(users), {FIELD: Categorical(users + 1, n_users + 1)})

"""Interactions, the training log a method learns from, and Queries, what it is asked."""

from dataclasses import dataclass

import numpy as np

from harness.fields import Fields
from harness.lists import IntArray, Lists


@dataclass(frozen=True, slots=True)
class Interactions:
    """A log of (user, item) events, grouped by user.

    Attributes
    ----------
    events : Lists, n_users lists of item ids. An item may occur twice in a list only where the
        data set says that repeated events count (Frappe: the same app in another context).
    n_items : size of the catalogue; item ids are ``range(n_items)``, also of items without events.
    timestamps : int64 (n_events,) seconds, aligned with ``events.ids``, or None.
    ordered : True when each user's events stand in time order; when False order means nothing.
    user_fields : n_users rows, or None.
    item_fields : n_items rows, or None.
    event_fields : n_events rows (the context of each event), aligned with ``events.ids``, or None.
    """

    events: Lists
    n_items: int
    timestamps: IntArray | None = None
    ordered: bool = False
    user_fields: Fields | None = None
    item_fields: Fields | None = None
    event_fields: Fields | None = None

    def __post_init__(self) -> None:
        ids = self.events.ids
        if ids.size and (ids.min() < 0 or ids.max() >= self.n_items):
            raise ValueError(f"item ids must lie in 0..{self.n_items - 1}")
        for name, rows, expected in (
            ("timestamps", self.timestamps, self.n_events),
            ("user_fields", self.user_fields, self.n_users),
            ("item_fields", self.item_fields, self.n_items),
            ("event_fields", self.event_fields, self.n_events),
        ):
            if rows is not None and len(rows) != expected:
                raise ValueError(f"{name} has {len(rows)} rows, expected {expected}")

    @property
    def n_users(self) -> int:
        """Return the number of users, also of those without events."""
        return len(self.events)

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return int(self.events.ids.size)

    @property
    def item_ids(self) -> IntArray:
        """Return the item of each event, int64 (n_events,)."""
        return self.events.ids

    @property
    def user_ids(self) -> IntArray:
        """Return the user of each event, int64 (n_events,)."""
        return self.events.rows

    @property
    def query_schema(self) -> Fields | None:
        """Return the query side's fields without rows: their names, kinds and sizes."""
        return self.query_fields(np.zeros(0, np.int64))

    def query_fields(self, event_rows: IntArray) -> Fields | None:
        """Return the query side's fields of the given events: the user's, then the context's.

        ``event_rows`` is int64 (n,), positions in ``events.ids``; None when there are no fields.
        """
        users = np.searchsorted(self.events.indptr, event_rows, side="right") - 1
        parts = []
        if self.user_fields is not None:
            parts.append(self.user_fields.take(users))
        if self.event_fields is not None:
            parts.append(self.event_fields.take(event_rows))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else parts[0].merge(parts[1])


@dataclass(frozen=True, slots=True)
class Queries:
    """n requests for candidates. A query never holds the items that answer it.

    Attributes
    ----------
    user_ids : int64 (n,), the user's row in training, or -1 for a user unknown there.
    history : Lists, n lists of items the user is known to have met, in time order if the log is.
    hidden : Lists, n lists, ascending: items that must not be returned. The method drops them
        inside `search`, so that what is timed is what a service would have to do.
    fields : n rows of user and context fields with the names and sizes of training, or None.
    """

    user_ids: IntArray
    history: Lists
    hidden: Lists
    fields: Fields | None = None

    def __post_init__(self) -> None:
        for name, rows in (
            ("history", self.history),
            ("hidden", self.hidden),
            ("fields", self.fields),
        ):
            if rows is not None and len(rows) != len(self.user_ids):
                raise ValueError(f"{name} has {len(rows)} rows, expected {len(self.user_ids)}")

    def __len__(self) -> int:
        return int(self.user_ids.size)

    def take(self, rows: IntArray) -> "Queries":
        """Return the queries of ``rows`` in that order."""
        fields = None if self.fields is None else self.fields.take(rows)
        return Queries(self.user_ids[rows], self.history.take(rows), self.hidden.take(rows), fields)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Queries and the items that are right for each: validation or test."""

    queries: Queries
    relevant: Lists

    def __post_init__(self) -> None:
        if len(self.relevant) != len(self.queries):
            raise ValueError(f"{len(self.relevant)} answers for {len(self.queries)} queries")

    def __len__(self) -> int:
        return len(self.queries)

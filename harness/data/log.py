"""Log: a data set as it was read or drawn, before any filter or split."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.fields import Categorical, Column, Dense, Fields
from harness.interactions import Queries
from harness.lists import FloatArray, IntArray, Lists

TRAIN, VALIDATION, TEST = 0, 1, 2


class Truth(Protocol):
    """What a synthetic log was drawn from: no method can rank better than by its score."""

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return float32 (n, n_item_ids), monotone per query in the expected relevance."""


@dataclass(frozen=True, slots=True)
class RenumberedTruth:
    """The truth over a part of the catalogue: what is item i here is ``item_ids[i]`` there."""

    truth: Truth
    item_ids: IntArray

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the score of the same items by the whole truth."""
        history = Lists(queries.history.indptr, self.item_ids[queries.history.ids])
        return self.truth.score(replace(queries, history=history), self.item_ids[item_ids])


@dataclass(frozen=True, slots=True)
class Log:
    """All events of a data set in canonical order; see `arrange`.

    Attributes
    ----------
    user_ids, item_ids : int64 (n_events,), each in ``range(n_users)``, ``range(n_items)``.
    timestamps : int64 (n_events,) seconds, or None.
    ratings : float32 (n_events,), or None.
    ordered : True when each user's events stand in time order.
    part : int8 (n_events,), 0 train, 1 validation, 2 test where the files give a split, or None.
    user_fields, item_fields, event_fields : n_users, n_items, n_events rows, or None. Where events
        have fields (a context), the same item in another context is another event that counts.
    truth : the true relevance, known for synthetic logs only.
    """

    user_ids: IntArray
    item_ids: IntArray
    n_users: int
    n_items: int
    timestamps: IntArray | None = None
    ratings: FloatArray | None = None
    ordered: bool = False
    part: npt.NDArray[np.int8] | None = None
    user_fields: Fields | None = None
    item_fields: Fields | None = None
    event_fields: Fields | None = None
    truth: Truth | None = None

    def __post_init__(self) -> None:
        for name, ids, size in (
            ("user", self.user_ids, self.n_users),
            ("item", self.item_ids, self.n_items),
        ):
            if ids.size and (ids.min() < 0 or ids.max() >= size):
                raise ValueError(f"{name} ids must lie in 0..{size - 1}")
        for name, rows, expected in (
            ("item_ids", self.item_ids, self.n_events),
            ("timestamps", self.timestamps, self.n_events),
            ("ratings", self.ratings, self.n_events),
            ("part", self.part, self.n_events),
            ("user_fields", self.user_fields, self.n_users),
            ("item_fields", self.item_fields, self.n_items),
            ("event_fields", self.event_fields, self.n_events),
        ):
            if rows is not None and len(rows) != expected:
                raise ValueError(f"{name} has {len(rows)} rows, expected {expected}")

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return int(self.user_ids.size)

    def take_events(self, rows: IntArray) -> "Log":
        """Return the log of the given events, in that order; users and items stay as they are."""
        return replace(
            self,
            user_ids=self.user_ids[rows],
            item_ids=self.item_ids[rows],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
            ratings=None if self.ratings is None else self.ratings[rows],
            part=None if self.part is None else self.part[rows],
            event_fields=None if self.event_fields is None else self.event_fields.take(rows),
        )


def arrange(log: Log) -> Log:
    """Return the log in canonical order, which does not depend on how the files were laid out.

    By user; then by time and, within a second, by item id where there are timestamps; as read
    where the files give an order without times; else by item id. What is still equal stays as read.
    """
    if log.timestamps is not None:
        keys: tuple[IntArray, ...] = (log.item_ids, log.timestamps, log.user_ids)
    elif log.ordered:
        keys = (log.user_ids,)
    else:
        keys = (log.item_ids, log.user_ids)
    return log.take_events(np.lexsort(keys))


def content_hash(log: Log) -> str:
    """Return the SHA-256, in hex, of everything in the log but its truth.

    Two files with the same canonical content, one plain and one in an archive, give the same.
    """
    digest = hashlib.sha256(b"matchbench log 1")
    for name, value in _content(log):
        if isinstance(value, np.ndarray):
            little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
            digest.update(f"|{name}:{value.dtype.name}{value.shape}:".encode())
            digest.update(little.reshape(-1).data)  # not copied: vectors are gigabytes
        else:
            digest.update(f"|{name}={value!r}".encode())
    return digest.hexdigest()


def _content(log: Log) -> Iterator[tuple[str, Any]]:
    for name in (
        "n_users",
        "n_items",
        "ordered",
        "user_ids",
        "item_ids",
        "timestamps",
        "ratings",
        "part",
    ):
        yield name, getattr(log, name)
    for name in ("user_fields", "item_fields", "event_fields"):
        fields: Fields | None = getattr(log, name)
        for column_name, column in ({} if fields is None else fields.columns).items():
            for part, value in _column_content(column):
                yield f"{name}.{column_name}.{part}", value


def _column_content(column: Column) -> Iterator[tuple[str, Any]]:
    if isinstance(column, Dense):
        yield "values", column.values
        return
    yield "size", column.size
    if isinstance(column, Categorical):
        yield "ids", column.ids
    else:
        yield "indptr", column.lists.indptr
        yield "ids", column.lists.ids

"""Fields: what is known of users, items or events besides their ids, one named column each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.lists import FloatArray, IntArray, Lists


@dataclass(frozen=True, slots=True)
class Categorical:
    """One id per row: ``ids`` int64 (n,), each in ``range(size)``."""

    ids: IntArray
    size: int

    def __post_init__(self) -> None:
        if self.ids.size and (self.ids.min() < 0 or self.ids.max() >= self.size):
            raise ValueError(f"categorical ids must lie in 0..{self.size - 1}")

    def __len__(self) -> int:
        return self.ids.size

    def take(self, rows: IntArray) -> "Categorical":
        """Return the column for ``rows``."""
        return Categorical(self.ids[rows], self.size)


@dataclass(frozen=True, slots=True)
class MultiValued:
    """Any number of ids per row (genres, tags): ``lists`` of n rows, each id in ``range(size)``."""

    lists: Lists
    size: int

    def __post_init__(self) -> None:
        ids = self.lists.ids
        if ids.size and (ids.min() < 0 or ids.max() >= self.size):
            raise ValueError(f"multi-valued ids must lie in 0..{self.size - 1}")

    def __len__(self) -> int:
        return len(self.lists)

    def take(self, rows: IntArray) -> "MultiValued":
        """Return the column for ``rows``."""
        return MultiValued(self.lists.take(rows), self.size)


@dataclass(frozen=True, slots=True)
class Dense:
    """One vector per row: ``values`` float32 (n, dim)."""

    values: FloatArray

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def dim(self) -> int:
        """Return the length of each vector."""
        return int(self.values.shape[1])

    def take(self, rows: IntArray) -> "Dense":
        """Return the column for ``rows``."""
        return Dense(self.values[rows])


Column = Categorical | MultiValued | Dense
KINDS: Mapping[type[Column], str] = {
    Categorical: "categorical",
    MultiValued: "multi_valued",
    Dense: "dense",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """Named columns with the same number of rows; the order of names is kept."""

    n_rows: int
    columns: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != self.n_rows:
                raise ValueError(f"field {name!r} has {len(column)} rows, expected {self.n_rows}")

    def __len__(self) -> int:
        return self.n_rows

    def take(self, rows: IntArray) -> "Fields":
        """Return all columns for ``rows``; a row may occur more than once."""
        return Fields(len(rows), {name: one.take(rows) for name, one in self.columns.items()})

    def merge(self, other: "Fields") -> "Fields":
        """Return the columns of both, which must have the same rows and different names."""
        twice = self.columns.keys() & other.columns.keys()
        if twice:
            raise ValueError(f"field names given twice: {sorted(twice)}")
        return Fields(self.n_rows, {**self.columns, **other.columns})


def describe_fields(fields: Fields | None) -> list[dict[str, str | int]]:
    """Return name, kind and size of each column, in order, as JSON can say it.

    The size is the number of ids, or of a dense column the length of its vectors.

    >>> describe_fields(Fields(1, {"age": Categorical(np.array([2]), 7)}))
    [{'name': 'age', 'kind': 'categorical', 'size': 7}]
    """
    described: list[dict[str, str | int]] = []
    for name, column in ({} if fields is None else fields.columns).items():
        kind = KINDS[type(column)]
        size = column.dim if isinstance(column, Dense) else column.size
        described.append({"name": name, "kind": kind, "size": size})
    return described


def empty_fields(described: Sequence[Mapping[str, Any]]) -> Fields:
    """Return the columns that `describe_fields` told of, without rows: what an encoder needs.

    Raises
    ------
    ValueError
        A kind that is none of `KINDS`.
    """
    none = np.zeros(0, np.int64)
    columns: dict[str, Column] = {}
    for one in described:
        name, kind, size = str(one["name"]), one["kind"], int(one["size"])
        if kind == "categorical":
            columns[name] = Categorical(none, size)
        elif kind == "multi_valued":
            columns[name] = MultiValued(Lists.empty(0), size)
        elif kind == "dense":
            columns[name] = Dense(np.zeros((0, size), np.float32))
        else:
            raise ValueError(f"field {name!r} is {kind!r}; expected one of {[*KINDS.values()]}")
    return Fields(0, columns)

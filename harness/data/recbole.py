"""RecBole's atomic files: tables between tabs whose header names each column and its type.

``user_id:token`` and ``rating:float``, for instance; types are ``token``, ``token_seq``, ``float``
and ``float_seq``, and the elements of a sequence stand between blanks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.by_path import RecBoleParams
from harness.data.files import DataFile, DataFolder
from harness.data.log import TEST, TRAIN, VALIDATION, Log, arrange
from harness.errors import DatasetError, near
from harness.fields import Categorical, Column, Dense, Fields, MultiValued
from harness.lists import FloatArray, IntArray, Lists

TYPES = ("token", "token_seq", "float", "float_seq")
PARTS: Mapping[str, int] = {"train": TRAIN, "valid": VALIDATION, "test": TEST}


@dataclass(frozen=True, slots=True)
class Table:
    """An atomic file: of each column its type and the text of each row."""

    file: DataFile
    types: Mapping[str, str]
    columns: Mapping[str, Sequence[str]]

    def column(self, name: str, kind: str) -> Sequence[str]:
        """Return the text of a column that must be there with this type."""
        if name not in self.types:
            shown = f"no column {name!r} in the header{near(name, self.types)}"
            raise self.file.fault(1, shown, f"{name}:{kind}")
        if self.types[name] != kind:
            raise self.file.fault(1, f"{name}:{self.types[name]}", f"{name}:{kind}")
        return self.columns[name]

    def numbers(self, name: str) -> FloatArray:
        """Return a column of floats, float64 (n,)."""
        return np.array(
            [self.number(row, one) for row, one in enumerate(self.column(name, "float"))]
        )

    def number(self, row: int, text: str) -> float:
        """Return a finite number of a row; empty text is 0, as RecBole fills what is missing."""
        try:
            value = float(text) if text else 0.0
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise self.file.fault(row + 2, repr(text), "a finite number")
        return value


def read_recbole(params: RecBoleParams, place: Path) -> Log:
    """Read a folder: ``name.inter``, or its parts; ``name.user`` and ``name.item`` where they are.

    With ``name.train.inter``, ``name.valid.inter`` and ``name.test.inter`` in place of
    ``name.inter`` (RecBole's ``benchmark_filename``) the files give the split. Ids are numbered in
    the order of the numbers that they are, else of their text. Users and items of .user and .item
    are there without an event too, as in RecBole; of a token 0 stands for "not given". Columns of
    .inter other than those of the parameters are left out. Times are cut to whole seconds.

    Raises
    ------
    DatasetError
        A file is missing or damaged, a header or a row is not as above; says the line.
    """
    folder, name = DataFolder(place), params.name or place.name
    tables = _interactions(folder, name)
    users = [one for table, _ in tables for one in table.column(params.user, "token")]
    items = [one for table, _ in tables for one in table.column(params.item, "token")]
    about = {
        key: read_table(folder.read(f"{name}.{kind}")) if folder.has(f"{name}.{kind}") else None
        for key, kind in ((params.user, "user"), (params.item, "item"))
    }
    user_ids, user_fields, n_users = _numbered(users, params.user, about[params.user])
    item_ids, item_fields, n_items = _numbered(items, params.item, about[params.item])
    times = _floats(tables, params.time)
    ratings = _floats(tables, params.rating)
    sizes = [len(table.column(params.user, "token")) for table, _ in tables]
    given = len(tables) > 1
    parts = np.repeat(np.array([part for _, part in tables], np.int8), sizes)
    return arrange(
        Log(
            user_ids=user_ids,
            item_ids=item_ids,
            n_users=n_users,
            n_items=n_items,
            timestamps=None if times is None else np.floor(times).astype(np.int64),
            ratings=None if ratings is None else ratings.astype(np.float32),
            ordered=times is not None,
            part=parts if given else None,
            user_fields=user_fields,
            item_fields=item_fields,
        )
    )


def read_table(file: DataFile) -> Table:
    """Read one atomic file.

    Raises
    ------
    DatasetError
        The header does not give ``name:type`` for each column, or a row has another number of them.
    """
    lines = file.lines()
    header = [one.rpartition(":") for one in lines[0].lstrip("\ufeff").split("\t")]
    for name, _, kind in header:
        if not name or kind not in TYPES:
            raise file.fault(1, repr(f"{name}:{kind}"), f"name:type, a type of {', '.join(TYPES)}")
    names = [name for name, _, _ in header]
    if len(set(names)) < len(names):
        raise file.fault(1, f"columns {names}", "each once")
    rows = [line.split("\t") for line in lines[1:]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise file.fault(number, f"{len(row)} columns", f"{len(names)} between tabs, as above")
    columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    return Table(file, {name: kind for name, _, kind in header}, columns)


def _interactions(folder: DataFolder, name: str) -> list[tuple[Table, int]]:
    """Return the tables of events, each with its part."""
    if folder.has(f"{name}.inter"):
        return [(read_table(folder.read(f"{name}.inter")), TRAIN)]
    there = [part for part in PARTS if folder.has(f"{name}.{part}.inter")]
    if "train" not in there or "test" not in there:
        raise DatasetError(
            f"no {name}.inter (nor {name}.train.inter and {name}.test.inter) in {folder.path}"
        )
    return [(read_table(folder.read(f"{name}.{part}.inter")), PARTS[part]) for part in there]


def _floats(tables: Sequence[tuple[Table, int]], name: str) -> FloatArray | None:
    """Return a column of all tables, or None where one does not have it."""
    if any(name not in table.types for table, _ in tables):
        return None
    return np.concatenate([table.numbers(name) for table, _ in tables])


def _numbered(
    tokens: Sequence[str], key: str, about: Table | None
) -> tuple[IntArray, Fields | None, int]:
    """Return the number of each token, the fields of all that are known, and how many they are."""
    described = () if about is None else about.column(key, "token")
    order = sorted({*tokens, *described}, key=_natural)
    numbers = {token: number for number, token in enumerate(order)}
    ids = np.array([numbers[one] for one in tokens], np.int64)
    if about is None:
        return ids, None, len(order)
    rows = np.full(len(order), -1, np.int64)
    for row, token in enumerate(described):
        if rows[numbers[token]] >= 0:
            raise about.file.fault(row + 2, f"{key} {token!r} again", "one row for each")
        rows[numbers[token]] = row
    columns = {name: _column(about, name, rows) for name in about.types if name != key}
    return ids, Fields(len(order), columns), len(order)


def _natural(token: str) -> tuple[int, int, str]:
    """Order numbers by value and before words."""
    return (0, int(token), token) if token.isdecimal() else (1, 0, token)


def _column(table: Table, name: str, rows: IntArray) -> Column:
    """Return a column for each known id; ``rows`` are its rows in the table, -1 for none."""
    kind, texts = table.types[name], [*table.columns[name], ""]  # row -1: nothing is given
    if kind in ("token", "token_seq"):
        split = [text.split(" ") if kind == "token_seq" else [text] for text in texts]
        lists = [[one for one in words if one] for words in split]
        known = sorted({one for words in lists for one in words}, key=_natural)
        if kind == "token":
            numbers = {"": 0} | {one: number for number, one in enumerate(known, 1)}
            ids = np.array([numbers[one] for one in texts], np.int64)
            return Categorical(ids[rows], len(numbers))
        numbers = {one: number for number, one in enumerate(known)}
        return MultiValued(Lists.of([[numbers[x] for x in lists[row]] for row in rows]), len(known))
    vectors = [
        [table.number(row, one) for one in (text.split() if kind == "float_seq" else [text])]
        for row, text in enumerate(texts[:-1])
    ]
    width = max((len(one) for one in vectors), default=1)
    for row, vector in enumerate(vectors):
        if len(vector) not in (0, width):
            raise table.file.fault(row + 2, f"{len(vector)} numbers in {name}", f"{width}, or none")
    filled = np.zeros((len(texts), width), np.float32)
    for row, vector in enumerate(vectors):
        filled[row, : len(vector)] = vector
    return Dense(filled[rows])

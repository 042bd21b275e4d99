"""Frappe as CFM has it: one app used in one context a line, ``c0-...-c7,i0-i1``."""

import numpy as np

from harness.data.files import DataFile, DataFolder
from harness.data.log import TEST, TRAIN, Log, arrange
from harness.data.numbers import read_table
from harness.fields import Categorical, Fields
from harness.lists import IntArray

# (first id, number of values) of each column in the file's one space of ids. The file names no
# column; the names are those whose number of values in Baltrunas et al. 2015 is the same.
COLUMNS = {
    "user": (0, 957),
    "daytime": (957, 7),
    "weekday": (964, 7),
    "is_weekend": (971, 2),
    "homework": (973, 3),
    "weather": (976, 9),
    "country": (985, 80),
    "city": (1065, 233),
    "item": (0, 4082),
    "cost": (4082, 2),
}
_CONTEXT = ("daytime", "weekday", "is_weekend", "homework", "weather", "country", "city")


def read_frappe(folder: DataFolder) -> Log:
    """Read train.csv and test.csv; ids of every column are shifted to start from 0.

    Events of one user and item in different contexts all count. They are arranged by user, item
    and context; there is no time.

    Raises
    ------
    DatasetError
        Missing, empty or damaged file, a wrong number of ids in a line, or an id outside the
        range of its column.
    """
    tables = [_columns(folder.read(name)) for name in ("train.csv", "test.csv")]
    parts = np.repeat(np.array([TRAIN, TEST], np.int8), [len(table) for table in tables])
    table = np.concatenate(tables)
    order = np.lexsort((parts, *table.T[::-1]))
    columns = dict(zip(COLUMNS, table[order].T, strict=True))
    cost = np.zeros(COLUMNS["item"][1], np.int64)
    cost[columns["item"]] = columns["cost"]  # an app has one cost throughout
    context = {name: Categorical(columns[name], COLUMNS[name][1]) for name in _CONTEXT}
    return arrange(
        Log(
            user_ids=columns["user"],
            item_ids=columns["item"],
            n_users=COLUMNS["user"][1],
            n_items=COLUMNS["item"][1],
            part=parts[order],
            item_fields=Fields(cost.size, {"cost": Categorical(cost, COLUMNS["cost"][1])}),
            event_fields=Fields(len(table), context),
        )
    )


def _columns(file: DataFile) -> IntArray:
    """Return the shifted ids of a file, int64 (n_events, 10)."""
    table = read_table(file, len(COLUMNS), b"-,")
    for place, (name, (first, size)) in enumerate(COLUMNS.items()):
        wrong = np.flatnonzero((table[:, place] < first) | (table[:, place] >= first + size))
        if wrong.size:
            line = int(wrong[0])
            found = f"id {table[line, place]} in column {place + 1} ({name})"
            raise file.fault(line + 1, found, f"{first}..{first + size - 1}")
    return table - np.array([first for first, _ in COLUMNS.values()], np.int64)

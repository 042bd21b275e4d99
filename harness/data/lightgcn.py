"""LightGCN text, also of NGCF, KGAT and BARS: a line per user in train.txt and in test.txt."""

from pathlib import Path

import numpy as np

from harness.data.by_path import FolderParams
from harness.data.files import DataFile, DataFolder
from harness.data.log import TEST, TRAIN, Log, arrange
from harness.data.numbers import read_numbers
from harness.lists import IntArray


def read_lightgcn(folder: DataFolder) -> Log:
    """Read ``user item item ...`` lines, ids from 0, whose order means nothing.

    A user's line may hold no item. The part of an event is the file it stands in.

    Raises
    ------
    DatasetError
        Missing, empty or damaged file, a token that is no number, an empty line, or a second
        line for a user.
    """
    users, items, parts = [], [], []
    for name, part in (("train.txt", TRAIN), ("test.txt", TEST)):
        user_ids, item_ids = read_user_lines(folder.read(name))
        users.append(user_ids)
        items.append(item_ids)
        parts.append(np.full(user_ids.size, part, np.int8))
    user_ids, item_ids = np.concatenate(users), np.concatenate(items)
    return arrange(
        Log(
            user_ids=user_ids,
            item_ids=item_ids,
            n_users=int(user_ids.max(initial=-1)) + 1,
            n_items=int(item_ids.max(initial=-1)) + 1,
            part=np.concatenate(parts),
        )
    )


def read_path(_: FolderParams, place: Path) -> Log:
    """Read train.txt and test.txt of any folder; raises as `read_lightgcn`."""
    return read_lightgcn(DataFolder(place))


def read_user_lines(file: DataFile) -> tuple[IntArray, IntArray]:
    """Return user and item of each event of a ``user item item ...`` file, int64 (n_events,)."""
    numbers = read_numbers(file, b" \t")
    counts = np.bincount(numbers.lines, minlength=numbers.n_lines)
    empty = np.flatnonzero(counts == 0)
    if empty.size:
        raise file.fault(int(empty[0]) + 1, "an empty line", "user item item ...")
    firsts = np.cumsum(counts) - counts
    owners = numbers.values[firsts]
    order = np.argsort(owners, kind="stable")
    twice = order[1:][owners[order[1:]] == owners[order[:-1]]]
    if twice.size:
        line = int(twice.min())
        raise file.fault(line + 1, f"user {owners[line]} again", "one line per user")
    is_item = np.ones(numbers.values.size, np.bool_)
    is_item[firsts] = False
    return np.repeat(owners, counts - 1), numbers.values[is_item]

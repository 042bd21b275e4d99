"""Sequences: each user's items in time order without times, as SASRec and S3-Rec have them."""

import json
from dataclasses import replace

import numpy as np

from harness.data.files import DataFile, DataFolder
from harness.data.lightgcn import read_user_lines
from harness.data.log import Log, arrange
from harness.data.movielens import ml_1m_fields
from harness.data.numbers import read_table
from harness.errors import DatasetError
from harness.fields import Fields, MultiValued
from harness.lists import IntArray, Lists


def read_pairs(folder: DataFolder, name: str) -> Log:
    """Read ``user item`` lines, ids from 1, each user's in time order (SASRec, BERT4Rec).

    Raises
    ------
    DatasetError
        Missing, empty or damaged file, a line that is not two numbers, or an id 0.
    """
    file = folder.read(name)
    table = read_table(file, 2, b" \t", expected="user item")
    zero = np.flatnonzero((table == 0).any(axis=1))
    if zero.size:
        raise file.fault(int(zero[0]) + 1, "id 0", "ids from 1")
    return _sequence_log(table[:, 0] - 1, table[:, 1] - 1)


def read_ml_1m_sas(folder: DataFolder) -> Log:
    """Read SASRec's MovieLens-1M and join the fields of users and movies by the two id mappings."""
    log = read_pairs(folder, "ml-1m_sas.txt")
    movies, people = ml_1m_fields(folder)
    users = _mapping(folder.read("sas_to_original_users.txt"), log.n_users)
    items = _mapping(folder.read("sas_to_original_items.txt"), log.n_items)
    return replace(log, user_fields=people(users), item_fields=movies(items))


def read_s3rec(folder: DataFolder, name: str) -> Log:
    """Read ``NAME.txt`` (``user item item ...``, ids from 1) and the attributes of items.

    ``NAME_item2attributes.json`` maps an item to its attribute ids, from 1; a repeated one counts
    once.

    Raises
    ------
    DatasetError
        Missing, empty or damaged file, a token that is no number, an id 0, or an item without
        an entry among the attributes.
    """
    file = folder.read(f"{name}.txt")
    user_ids, item_ids = read_user_lines(file)
    if 0 in (user_ids.min(initial=1), item_ids.min(initial=1)):
        raise DatasetError(f"{file.label}: found id 0, expected ids from 1")
    log = _sequence_log(user_ids - 1, item_ids - 1)
    attributes = _attributes(folder.read(f"{name}_item2attributes.json"), log.n_items)
    return replace(log, item_fields=Fields(log.n_items, {"attributes": attributes}))


MAX_ID = 100_000_000  # no data set here comes near: a larger id is damage


def _sequence_log(user_ids: IntArray, item_ids: IntArray) -> Log:
    n_users, n_items = int(user_ids.max()) + 1, int(item_ids.max()) + 1
    if max(n_users, n_items) > MAX_ID:
        raise DatasetError(f"found an id of {max(n_users, n_items)}, expected at most {MAX_ID}")
    return arrange(Log(user_ids, item_ids, n_users, n_items, ordered=True))


def _mapping(file: DataFile, n: int) -> IntArray:
    """Return the original id of each of n ids, from ``id original`` lines with ids 1 to n."""
    table = read_table(file, 2, b" \t", expected="id original-id")
    table = table[np.argsort(table[:, 0], kind="stable")]
    if not np.array_equal(table[:, 0], np.arange(1, n + 1)):
        raise DatasetError(f"{file.label}: found {len(table)} ids, expected each of 1..{n} once")
    return table[:, 1]


def _attributes(file: DataFile, n_items: int) -> MultiValued:
    try:
        table = json.loads(file.content)
    except ValueError as error:
        raise DatasetError(f"{file.label}: damaged or cut short: {error}") from None
    if not isinstance(table, dict) or not all(
        isinstance(ids, list) and all(type(one) is int and 1 <= one <= MAX_ID for one in ids)
        for ids in table.values()
    ):
        raise DatasetError(
            f"{file.label}: expected an object of lists of attribute ids, 1..{MAX_ID}"
        )
    missing = [item for item in range(1, n_items + 1) if str(item) not in table]
    if missing:
        raise DatasetError(f"{file.label}: {len(missing)} items, such as {missing[0]}, are missing")
    lists = [sorted({one - 1 for one in table[str(item)]}) for item in range(1, n_items + 1)]
    size = max((one[-1] + 1 for one in lists if one), default=0)
    return MultiValued(Lists.of(lists), size)

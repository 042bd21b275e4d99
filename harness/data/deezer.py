"""Deezer's cold-start users: what was known on their first day, and what they heard later."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from harness.data.by_path import DeezerParams
from harness.data.log import TEST, TRAIN, VALIDATION, Log, arrange
from harness.errors import DatasetError, near
from harness.fields import Dense, Fields
from harness.lists import FloatArray, IntArray, Lists

SONGS = "song_embeddings.parquet"
PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
USER, SONG, HEARD = "user_index", "song_index", "d1d30_songs"


def read_deezer(params: DeezerParams, place: Path) -> Log:
    """Read the files of Briand et al. as a log: a song heard on days 1 to 30 is an event.

    Users have the field ``features``, what was known of them at the end of the day they registered
    (missing values are 0, as in the source); songs have the field ``embedding``, the vector of
    ``params.embeddings``. The three files of users give the split. Users of the test part occur in
    no other, and nothing is filtered from the answers, so a suite needs ``split = { kind =
    "given", cold_users = "keep", cold_items = "keep", hide_seen = false }``. Users are numbered
    by part, then by ``user_index``; songs by their row.

    Raises
    ------
    DatasetError
        A file is missing, is no Parquet or lacks a column; a user or song is there twice, a song
        unknown, a feature no number or not finite, or vectors are not of one length or lack a
        number. Says the file and the row or column.

    References
    ----------
    Briand et al., "A Semi-Personalized System for User Cold Start Recommendation on Music Streaming
    Apps", KDD 2021; files of its repository, semi_perso_user_cold_start.
    """
    songs = _read(place / SONGS, (SONG, f"features_{params.embeddings}"))
    numbers = _numbers(place / SONGS, SONG, songs)
    vectors = _matrix(place / SONGS, songs[f"features_{params.embeddings}"])
    users, heard, roles, features = 0, [], [], []
    for part, role in PARTS.items():
        path = place / f"user_features_{part}_{params.embeddings}.parquet"
        table = _read(path, (USER, HEARD))
        order = np.array(sorted(_numbers(path, USER, table).items())).reshape(-1, 2)[:, 1]
        features.append(_features(path, table)[order])
        events = _heard(path, table, numbers).take(order)
        heard.append((events.rows + users, events.ids))
        roles.append(np.full(len(events.ids), role, np.int8))
        users += len(order)
        if features[-1].shape[1] != features[0].shape[1]:
            raise DatasetError(
                f"{path}: {features[-1].shape[1]} columns of features; expected "
                f"{features[0].shape[1]}, as of {next(iter(PARTS))}"
            )
    return arrange(
        Log(
            user_ids=np.concatenate([one for one, _ in heard]),
            item_ids=np.concatenate([one for _, one in heard]),
            n_users=users,
            n_items=len(numbers),
            part=np.concatenate(roles),
            user_fields=Fields(users, {"features": Dense(np.concatenate(features))}),
            item_fields=Fields(len(numbers), {"embedding": Dense(vectors)}),
        )
    )


def _read(path: Path, needed: Sequence[str]) -> Any:
    """Return a table that has the columns ``needed``."""
    if not path.is_file():
        raise DatasetError(f"no {path.name} in {path.parent}")
    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: cannot be read as Parquet: {error}") from error
    for name in needed:
        if name not in table.column_names:
            raise DatasetError(f"{path}: no column {name!r}{near(name, table.column_names)}")
    return table


def _numbers(path: Path, name: str, table: Any) -> dict[int, int]:
    """Return the row of each value of a column of ids, each of which may be there once."""
    rows: dict[int, int] = {}
    for row, value in enumerate(table[name].to_pylist()):
        if not isinstance(value, int):
            raise DatasetError(f"{path}: row {row}: {name} {value!r}; expected a whole number")
        if value in rows:
            raise DatasetError(f"{path}: row {row}: {name} {value} again, as in row {rows[value]}")
        rows[value] = row
    return rows


def _heard(path: Path, table: Any, numbers: dict[int, int]) -> Lists:
    """Return the songs of each user, by their numbers."""
    found = []
    for row, songs in enumerate(table[HEARD].to_pylist()):
        unknown = [one for one in songs or () if one not in numbers]
        if unknown:
            raise DatasetError(
                f"{path}: row {row}: song {unknown[0]!r} in {HEARD}; expected one of the "
                f"{len(numbers):,} in {SONGS}"
            )
        found.append([numbers[one] for one in songs or ()])
    return Lists.of(found)


def _features(path: Path, table: Any) -> FloatArray:
    """Return all other columns, float32 (n, columns), missing values 0."""
    names = [one for one in table.column_names if one not in (USER, HEARD)]
    columns = np.zeros((table.num_rows, len(names)), np.float32)
    for number, name in enumerate(names):
        try:
            column = table[name].cast(pa.float32(), safe=False).fill_null(0.0)
        except pa.ArrowException as error:
            raise DatasetError(f"{path}: column {name!r} is not of numbers: {error}") from error
        columns[:, number] = np.nan_to_num(column.to_numpy(), posinf=np.inf, neginf=-np.inf)
        if np.isinf(columns[:, number]).any():
            row = int(np.flatnonzero(np.isinf(columns[:, number]))[0])
            raise DatasetError(f"{path}: row {row}: {name} is not finite")
    return columns


def _matrix(path: Path, column: Any) -> FloatArray:
    """Return a column of vectors, float32 (n, dim)."""
    vectors = column.to_pylist()
    lengths: IntArray = np.array([0 if one is None else len(one) for one in vectors])
    wrong = np.flatnonzero(lengths != lengths[:1])
    if wrong.size or not lengths.size or lengths[0] == 0:
        row = int(wrong[0]) if wrong.size else 0
        found = f"{int(lengths[row])} numbers" if lengths.size else "nothing"
        raise DatasetError(f"{path}: row {row}: {found}; expected vectors of one length")
    matrix: FloatArray = np.array(vectors, np.float32)
    if (bad := np.flatnonzero(~np.isfinite(matrix).all(axis=1))).size:
        raise DatasetError(f"{path}: row {int(bad[0])}: a number that is missing or not finite")
    return matrix

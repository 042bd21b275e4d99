"""MovieLens: ratings with users' and movies' fields, in the three layouts of its releases.

Users and movies with a rating are numbered in the order of their original ids.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.data.files import DataFile, DataFolder
from harness.data.log import Log, arrange
from harness.data.movielens_fields import (
    movie_fields,
    read_genres_csv,
    read_genres_dat,
    read_genres_flags,
    read_people,
    user_fields,
)
from harness.data.numbers import read_table
from harness.fields import Fields
from harness.lists import FloatArray, IntArray

FOLDS_1M = tuple(f"test_1m{fold}.dat" for fold in range(1, 6))
_HEADER = "userId,movieId,rating,timestamp"

FieldsOf = Callable[[IntArray], Fields]  # original ids -> their fields


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings with original ids: int64 (n,), float32 (n,), and int64 (n,) seconds or None."""

    user_ids: IntArray
    item_ids: IntArray
    values: FloatArray
    timestamps: IntArray | None


def read_ml_latest_small(folder: DataFolder) -> Log:
    """Read ratings.csv and movies.csv: half-star ratings, times, genres; no user fields."""
    file = folder.read("ratings.csv").below(_HEADER)
    # a rating such as 4.5 is read as two numbers; all have one decimal
    table = read_table(file, 5, b",.", expected=_HEADER)
    users, items, whole, tenths, times = table.T
    ratings = Ratings(users, items, (whole + tenths / 10).astype(np.float32), times)
    return _log(ratings, _genres(folder, "movies.csv", read_genres_csv), None)


def read_ml_100k(folder: DataFolder) -> Log:
    """Read u.data, u.user, u.item and u.genre: ratings, times, genres, user fields."""
    table = read_table(folder.read("u.data"), 4, b"\t", expected="user item rating time")
    names = [one.split("|")[0] for one in folder.read("u.genre").lines() if one]
    people = folder.read("u.user")
    return _log(
        _ratings(table[:, :3], table[:, 3]),
        _genres(folder, "u.item", lambda file: read_genres_flags(file, names)),
        _people(people, "|", ("user", "age", "gender", "occupation", "zip")),
    )


def read_ml_1m(folder: DataFolder) -> Log:
    """Read all ratings, without times: ratings.dat, or else the union of five test folds.

    Both hold the same ratings; only the first has times, which are left out so that both give
    the same log. `read_ml_1m_timed` keeps them.
    """
    if folder.has("ratings.dat"):
        table = _ratings_dat(folder)[:, :3]
    else:
        folds = [read_table(folder.read(name), 3, b",", expected="u,i,rating") for name in FOLDS_1M]
        table = np.concatenate(folds)
    movies, people = ml_1m_fields(folder)
    return _log(_ratings(table, None), movies, people)


def read_ml_1m_timed(folder: DataFolder) -> Log:
    """Read ratings.dat of the owner's archive, with times."""
    table = _ratings_dat(folder)
    movies, people = ml_1m_fields(folder)
    return _log(_ratings(table[:, :3], table[:, 3]), movies, people)


def ml_1m_fields(folder: DataFolder) -> tuple[FieldsOf, FieldsOf]:
    """Return how movies get their genres, and how users their fields, by original ids."""
    order = ("user", "gender", "age", "occupation", "zip")
    return (
        _genres(folder, "movies.dat", read_genres_dat),
        _people(folder.read("users.dat"), "::", order),
    )


def _ratings_dat(folder: DataFolder) -> IntArray:
    return read_table(folder.read("ratings.dat"), 4, b":", expected="user::item::rating::time")


def _ratings(table: IntArray, timestamps: IntArray | None) -> Ratings:
    return Ratings(table[:, 0], table[:, 1], table[:, 2].astype(np.float32), timestamps)


def _genres(
    folder: DataFolder, name: str, read: Callable[[DataFile], dict[int, list[str]]]
) -> FieldsOf:
    file = folder.read(name)
    genres = read(file)
    return lambda item_ids: movie_fields(genres, item_ids, file.label)


def _people(file: DataFile, separator: str, order: tuple[str, ...]) -> FieldsOf:
    people = read_people(file, separator, order)
    return lambda user_ids: user_fields(people, user_ids, file.label)


def _log(ratings: Ratings, movies: FieldsOf, people: FieldsOf | None) -> Log:
    users, user_ids = np.unique(ratings.user_ids, return_inverse=True)
    items, item_ids = np.unique(ratings.item_ids, return_inverse=True)
    return arrange(
        Log(
            user_ids=user_ids.reshape(-1),
            item_ids=item_ids.reshape(-1),
            n_users=users.size,
            n_items=items.size,
            timestamps=ratings.timestamps,
            ratings=ratings.values,
            ordered=ratings.timestamps is not None,
            user_fields=None if people is None else people(users),
            item_fields=movies(items),
        )
    )

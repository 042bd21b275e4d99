"""Fields of MovieLens users and movies: gender, age group, occupation; genres."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.files import DataFile
from harness.errors import DatasetError
from harness.fields import Categorical, Fields, MultiValued
from harness.lists import IntArray, Lists

_AGES = (18, 25, 35, 45, 50, 56)  # first years of the age groups of the release 1M; below 18 is 0
_GENDERS = ("F", "M")
_NO_GENRE = "(no genres listed)"


@dataclass(frozen=True, slots=True)
class Person:
    """What a release tells of a user: "F" or "M", age in years, occupation as it is written."""

    gender: str
    age: int
    occupation: str


def user_fields(people: Mapping[int, Person], user_ids: IntArray, label: str) -> Fields:
    """Return ``gender`` (2), ``age`` (7 groups) and ``occupation`` of the users of original ids.

    Raises
    ------
    DatasetError
        A user is not among ``people``, which were read from ``label``.
    """
    chosen = [people[user] for user in _all_known(user_ids, people, "user", label)]
    occupations = sorted({one.occupation for one in people.values()}, key=_numbers_first)
    ages = np.searchsorted(_AGES, [one.age for one in chosen], side="right").astype(np.int64)
    columns = {
        "gender": _categorical([one.gender for one in chosen], _GENDERS),
        "age": Categorical(ages, len(_AGES) + 1),
        "occupation": _categorical([one.occupation for one in chosen], occupations),
    }
    return Fields(len(chosen), columns)


def movie_fields(genres: Mapping[int, Sequence[str]], item_ids: IntArray, label: str) -> Fields:
    """Return ``genres`` of the movies of original ids; ids are places in the sorted names.

    Raises
    ------
    DatasetError
        A movie is not among ``genres``, which were read from ``label``.
    """
    names = sorted({name for row in genres.values() for name in row} - {_NO_GENRE})
    place = {name: index for index, name in enumerate(names)}
    movies = _all_known(item_ids, genres, "movie", label)
    lists = [sorted({place[one] for one in genres[movie] if one in place}) for movie in movies]
    return Fields(len(movies), {"genres": MultiValued(Lists.of(lists), len(names))})


def read_people(file: DataFile, separator: str, order: Sequence[str]) -> dict[int, Person]:
    """Return the users of a file by original id; ``order`` names the five columns."""
    people = {}
    for line, row in text_rows(file, separator, len(order)):
        named = dict(zip(order, row, strict=True))
        if named["gender"] not in _GENDERS:
            raise file.fault(line, repr(named["gender"]), "F or M")
        age = whole(file, line, named["age"])
        people[whole(file, line, named["user"])] = Person(named["gender"], age, named["occupation"])
    return people


def read_genres_dat(file: DataFile) -> dict[int, list[str]]:
    """Return genres by movie id from ``id::title::genre|genre`` lines."""
    found = text_rows(file, "::", 3, encoding="latin-1")
    return {whole(file, line, row[0]): row[2].split("|") for line, row in found}


def read_genres_flags(file: DataFile, names: Sequence[str]) -> dict[int, list[str]]:
    """Return genres by movie id from ``id|title|date|video|url|flag|flag...`` lines."""
    return {
        whole(file, line, row[0]): [
            name for name, flag in zip(names, row[5:], strict=True) if flag == "1"
        ]
        for line, row in text_rows(file, "|", 5 + len(names), encoding="latin-1")
    }


def read_genres_csv(file: DataFile) -> dict[int, list[str]]:
    """Return genres by movie id from a CSV file ``movieId,title,genres`` with quoted titles."""
    file = file.below("movieId,title,genres")
    reader = csv.reader(file.lines())
    genres = {}
    try:
        for row in reader:
            if len(row) != 3:
                raise file.fault(reader.line_num, f"{len(row)} columns", "3: movieId,title,genres")
            genres[whole(file, reader.line_num, row[0])] = row[2].split("|")
    except csv.Error as error:
        raise file.fault(max(reader.line_num, 1), str(error), "quoted columns") from None
    return genres


def text_rows(
    file: DataFile, separator: str, n_columns: int, *, encoding: str = "utf-8"
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and columns of each line.

    Raises
    ------
    DatasetError
        A line has another number of columns.
    """
    for line, text in enumerate(file.lines(encoding), 1):
        row = text.split(separator)
        if len(row) != n_columns:
            expected = f"{n_columns} separated by {separator!r}"
            raise file.fault(line, f"{len(row)} columns", expected)
        yield line, row


def whole(file: DataFile, line: int, text: str) -> int:
    """Return a non-negative integer, or raise a DatasetError that names the line."""
    if not (text.isascii() and text.isdigit()):
        raise file.fault(line, repr(text), "a whole number")
    return int(text)


def _all_known(ids: IntArray, known: Mapping[int, object], kind: str, label: str) -> list[int]:
    wanted = [int(one) for one in ids]
    missing = [one for one in wanted if one not in known]
    if missing:
        raise DatasetError(
            f"{label}: {kind} {missing[0]} is missing, and {len(missing) - 1} more that have events"
        )
    return wanted


def _categorical(values: Sequence[str], names: Sequence[str]) -> Categorical:
    place = {name: index for index, name in enumerate(names)}
    return Categorical(np.array([place[one] for one in values], np.int64), len(names))


def _numbers_first(name: str) -> tuple[bool, int, str]:
    return (False, int(name), "") if name.isdigit() else (True, 0, name)

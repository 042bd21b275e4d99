"""MovieLens: three layouts, tiny and made by hand."""

import gzip
import zipfile

import numpy as np
import pytest

from harness.data.files import DataFolder
from harness.data.log import content_hash
from harness.data.movielens import (
    FOLDS_1M,
    read_ml_1m,
    read_ml_1m_timed,
    read_ml_100k,
    read_ml_latest_small,
)
from harness.errors import DatasetError

USERS_DAT = "5::F::1::10::48067\n7::M::56::2::70072\n"
MOVIES_DAT = "1::Toy Story (1995)::Comedy|Animation\n2::Été (1990)::Drama\n9::Unseen::War\n"
RATINGS_DAT = "5::2::4::30\n5::1::5::20\n7::2::1::10\n"
RATINGS_CSV = "userId,movieId,rating,timestamp\n3,20,4.5,99\n3,10,0.5,100\n8,20,3.0,50\n"
MOVIES_CSV = (
    'movieId,title,genres\n10,"Heat, The (1995)",Crime|Action\n20,Nothing,(no genres listed)\n'
)


def write(folder, files):
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("latin-1"))
    return DataFolder(folder, ("ml-1m.zip",))


def small(folder, **changes):
    return write(folder, {"ratings.csv": RATINGS_CSV, "movies.csv": MOVIES_CSV, **changes})


def test_latest_small(tmp_path):
    """Users 3, 8 and movies 10, 20 are numbered in order; half stars, times and genres are kept."""
    log = read_ml_latest_small(small(tmp_path))
    assert (log.n_users, log.n_items, log.ordered) == (2, 2, True)
    assert log.user_ids.tolist() == [0, 0, 1]
    assert log.item_ids.tolist() == [1, 0, 1]  # user 3: movie 20 at 99, movie 10 at 100
    assert log.ratings.tolist() == [4.5, 0.5, 3.0]
    assert log.timestamps.tolist() == [99, 100, 50]
    genres = log.item_fields.columns["genres"]
    assert (genres.size, genres.lists.row(0).tolist(), genres.lists.row(1).tolist()) == (
        2,
        [0, 1],  # Action, Crime
        [],
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ratings.csv", "", r"ratings\.csv: the file is empty"),
        ("ratings.csv", "a,b\n1,2\n", r"line 1: found 'a,b', expected userId,movieId"),
        ("ratings.csv", RATINGS_CSV + "8,1", r"line 5: found 2 numbers, expected 5 .*userId"),
        ("ratings.csv", RATINGS_CSV + "8,x,3.0,1\n", r"line 5: found 'x', expected an integer"),
        ("movies.csv", MOVIES_CSV[:40], r"movies\.csv: line 2: found 2 columns, expected 3"),
        ("movies.csv", "movieId,title,genres\n10,a,War\n", r"movie 20 is missing"),
        (
            "movies.csv",
            f"movieId,title,genres\n10,{'a' * 200_000},W\n",
            r"line 2: found field larger",
        ),
        ("movies.csv", "movieId,title,genres\nx,a,War\n", r"line 2: found 'x', expected a whole"),
    ],
)
def test_latest_small_refuses_bad_input(tmp_path, name, text, message):
    """File, line, what was found and what was expected are named."""
    with pytest.raises(DatasetError, match=message):
        read_ml_latest_small(small(tmp_path, **{name: text}))


def test_100k(tmp_path):
    """Genre flags become names; ages fall into the seven groups of the release 1M."""
    folder = write(
        tmp_path,
        {
            "u.data": "2\t1\t3\t10\n1\t1\t5\t20\n",
            "u.user": "1|17|M|writer|0\n2|18|F|artist|0\n",
            "u.item": "1|Él|01-Jan-1995||url|0|1\n",
            "u.genre": "unknown|0\nAction|1\n\n",
        },
    )
    log = read_ml_100k(folder)
    assert log.ratings.tolist() == [5.0, 3.0]
    columns = log.user_fields.columns
    assert columns["age"].ids.tolist() == [0, 1]
    assert columns["gender"].ids.tolist() == [1, 0]
    assert columns["occupation"].ids.tolist() == [1, 0]
    assert log.item_fields.columns["genres"].lists.row(0).tolist() == [0]


def one_m(folder):
    return write(
        folder, {"users.dat": USERS_DAT, "movies.dat": MOVIES_DAT, "ratings.dat": RATINGS_DAT}
    )


def test_1m_with_times(tmp_path):
    """The owner's ratings.dat keeps times; user fields and genres are joined."""
    log = read_ml_1m_timed(one_m(tmp_path))
    assert log.item_ids.tolist() == [0, 1, 1]
    assert log.timestamps.tolist() == [20, 30, 10]
    assert log.user_fields.columns["age"].ids.tolist() == [0, 6]
    assert log.user_fields.columns["occupation"].ids.tolist() == [1, 0]  # "2" before "10"
    genres = log.item_fields.columns["genres"]
    assert genres.size == 4  # Animation, Comedy, Drama, War
    assert genres.lists.row(0).tolist() == [0, 1]


def test_folds_plain_gzipped_and_the_owners_archive_have_one_content(tmp_path):
    """Without times, folds in any form and ratings.dat in the archive give the same hash."""
    plain, gzipped, archive = (tmp_path / name for name in ("plain", "gzipped", "archive"))
    for folder in (plain, gzipped, archive):
        folder.mkdir()
    fields = {"users.dat": USERS_DAT, "movies.dat": MOVIES_DAT}
    folds = {FOLDS_1M[0]: "5,1,5\n", FOLDS_1M[1]: "5,2,4\n7,2,1\n"}
    folds |= dict.fromkeys(FOLDS_1M[2:], "7,1,2\n5,9,3\n")
    ratings = RATINGS_DAT + 3 * "7::1::2::40\n5::9::3::50\n"
    write(plain, {**fields, **folds})
    for name, text in (fields | folds).items():
        (gzipped / f"{name}.gz").write_bytes(gzip.compress(text.encode("latin-1")))
    with zipfile.ZipFile(archive / "ml-1m.zip", "w") as zipped:
        for name, text in (fields | {"ratings.dat": ratings}).items():
            zipped.writestr(f"ml-1m/{name}", text.encode("latin-1"))
    hashes = {
        content_hash(read_ml_1m(DataFolder(folder, ("ml-1m.zip",))))
        for folder in (plain, gzipped, archive)
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("users.dat", "5::F::1::10::48067\n", r"users\.dat: user 7 is missing"),
        ("users.dat", "5::X::1::10::1\n", r"users\.dat: line 1: found 'X', expected F or M"),
        ("users.dat", USERS_DAT[:-9], r"users\.dat: line 2: found 4 columns, expected 5"),
        ("movies.dat", "1::A::War\n", r"movies\.dat: movie 2 is missing"),
        ("ratings.dat", "5::2::4::30\n5::1", r"line 2: found 2 numbers, expected 4"),
    ],
)
def test_1m_refuses_bad_input(tmp_path, name, text, message):
    """A cut line, an unknown code and a missing user or movie are named."""
    one_m(tmp_path)
    with pytest.raises(DatasetError, match=message):
        read_ml_1m_timed(write(tmp_path, {name: text}))


def test_fields_have_a_row_per_user_and_item(tmp_path):
    """Unrated movies do not enter the catalogue."""
    log = read_ml_1m(one_m(tmp_path))
    assert (log.n_users, log.n_items) == (len(log.user_fields), len(log.item_fields)) == (2, 2)
    assert log.timestamps is None
    assert log.ratings.dtype == np.float32

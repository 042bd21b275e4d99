"""Sequences: SASRec pairs, S3-Rec lines with attributes, and the join with MovieLens' fields."""

import json

import pytest

from harness.data.files import DataFolder
from harness.data.sequences import read_ml_1m_sas, read_pairs, read_s3rec
from harness.errors import DatasetError


def write(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text)
    return DataFolder(folder)


def test_pairs_keep_the_order_of_the_file(tmp_path):
    """Ids shift to start from 0; each user's items stay in file order."""
    log = read_pairs(write(tmp_path, {"a.txt": "1 3\n1 1\n2 2\n1 2\n"}), "a.txt")
    assert log.ordered
    assert log.user_ids.tolist() == [0, 0, 0, 1]
    assert log.item_ids.tolist() == [2, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1\n0 2\n", "line 2: found id 0, expected ids from 1"),
        ("1 1\n1", "line 2: found 1 numbers, expected 2 numbers: user item"),
        ("1 one\n", "line 1: found 'one', expected an integer"),
        ("", "the file is empty"),
    ],
)
def test_bad_pairs_are_refused(tmp_path, text, message):
    """File, line, what was found and what was expected are named."""
    with pytest.raises(DatasetError, match=message):
        read_pairs(write(tmp_path, {"a.txt": text}), "a.txt")


def test_s3rec_joins_attributes_once_each(tmp_path):
    """Attributes 1..3 become 0..2; a repeated one counts once; an item may have none."""
    attributes = {"1": [3, 1, 3], "2": [], "3": [2]}
    files = {"A.txt": "1 3 1\n2 2\n", "A_item2attributes.json": json.dumps(attributes)}
    log = read_s3rec(write(tmp_path, files), "A")
    assert log.item_ids.tolist() == [2, 0, 1]
    column = log.item_fields.columns["attributes"]
    assert column.size == 3
    assert [column.lists.row(item).tolist() for item in range(3)] == [[0, 2], [], [1]]


@pytest.mark.parametrize(
    ("text", "attributes", "message"),
    [
        ("1 2\n", '{"2": [1]}', "1 items, such as 1, are missing"),
        ("1 2\n", '{"2": [1', "damaged or cut short"),
        ("1 0\n", '{"1": [1]}', "found id 0, expected ids from 1"),
    ],
)
def test_bad_s3rec_files_are_refused(tmp_path, text, attributes, message):
    """Missing items, cut JSON and id 0 are named."""
    files = {"A.txt": text, "A_item2attributes.json": attributes}
    with pytest.raises(DatasetError, match=message):
        read_s3rec(write(tmp_path, files), "A")


def sas_files():
    return {
        "ml-1m_sas.txt": "1 2\n1 1\n2 1\n",
        "sas_to_original_users.txt": "1 70\n2 50\n",
        "sas_to_original_items.txt": "2 8\n1 9\n",
        "users.dat": "50::F::1::0::1\n70::M::56::3::1\n",
        "movies.dat": "8::A::War\n9::B::Drama\n",
    }


def test_sas_fields_follow_the_mappings(tmp_path):
    """User 1 is MovieLens' user 70, a man; item 1 is movie 9, a drama."""
    log = read_ml_1m_sas(write(tmp_path, sas_files()))
    assert log.user_fields.columns["gender"].ids.tolist() == [1, 0]
    genres = log.item_fields.columns["genres"]
    assert [genres.lists.row(item).tolist() for item in range(2)] == [[0], [1]]  # Drama, War


def test_an_incomplete_mapping_is_refused(tmp_path):
    """Each id must be mapped once."""
    files = sas_files() | {"sas_to_original_items.txt": "2 8\n"}
    with pytest.raises(DatasetError, match=r"found 1 ids, expected each of 1\.\.2 once"):
        read_ml_1m_sas(write(tmp_path, files))

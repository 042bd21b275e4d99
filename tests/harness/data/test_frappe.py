"""Frappe: one app used in one context a line."""

import pytest

from harness.data.files import DataFolder
from harness.data.frappe import read_frappe
from harness.errors import DatasetError

FIRST = "3-957-964-971-973-976-985-1065,7-4082\n"
AGAIN = "3-963-964-971-973-976-985-1297,7-4082\n"
OTHER = "0-957-970-972-975-984-1064-1065,5-4083\n"


def write(folder, train, test):
    (folder / "train.csv").write_text(train)
    (folder / "test.csv").write_text(test)
    return DataFolder(folder)


def test_ids_are_shifted_per_column_and_repeats_kept(tmp_path):
    """Each column starts from 0; the same app in another context is another event."""
    log = read_frappe(write(tmp_path, AGAIN + FIRST, OTHER))
    assert (log.n_users, log.n_items) == (957, 4082)
    assert log.user_ids.tolist() == [0, 3, 3]
    assert log.item_ids.tolist() == [5, 7, 7]
    assert log.part.tolist() == [2, 0, 0]
    context = log.event_fields.columns
    assert context["daytime"].ids.tolist() == [0, 0, 6]  # equal pairs are in order of context
    assert context["city"].ids.tolist() == [0, 0, 232]
    assert log.item_fields.columns["cost"].ids[[5, 7]].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("3-957-964-971-973-976-985-1065,7\n", "line 1: found 9 numbers, expected 10"),
        (FIRST + FIRST.replace("957", "956"), r"line 2: found id 956 in column 2 \(daytime\)"),
        (FIRST.replace("4082", "x"), "line 1: found 'x', expected an integer"),
        ("", "the file is empty"),
    ],
)
def test_bad_lines_are_refused(tmp_path, train, message):
    """A cut line, an id of another column and a word are named with their line."""
    with pytest.raises(DatasetError, match=message):
        read_frappe(write(tmp_path, train, OTHER))

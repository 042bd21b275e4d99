"""LightGCN text: two files of `user item item ...`."""

import pytest

from harness.data.files import DataFolder
from harness.data.lightgcn import read_lightgcn
from harness.errors import DatasetError


def write(folder, train, test):
    (folder / "train.txt").write_text(train)
    (folder / "test.txt").write_text(test)
    return DataFolder(folder)


def test_events_parts_and_sizes(tmp_path):
    """Sizes are the largest id plus one over both files; a user's line may be without items."""
    log = read_lightgcn(write(tmp_path, "0 3 1\n1 4\n2 0 \n", "1 2\n0\n2 5\n"))
    assert (log.n_users, log.n_items, log.ordered) == (3, 6, False)
    events = zip(log.user_ids.tolist(), log.item_ids.tolist(), log.part.tolist(), strict=True)
    assert list(events) == [(0, 1, 0), (0, 3, 0), (1, 2, 2), (1, 4, 0), (2, 0, 0), (2, 5, 2)]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("", r"train\.txt: the file is empty"),
        ("0 1\n1 a\n", r"train\.txt: line 2: found 'a', expected an integer"),
        ("0 1\n\n1 2\n", r"train\.txt: line 2: found an empty line, expected user item"),
        ("0 1\n1 2\n0 3\n", r"train\.txt: line 3: found user 0 again, expected one line per user"),
    ],
)
def test_bad_input_is_refused_with_file_and_line(tmp_path, train, message):
    """Empty, non-numeric, blank and repeated lines are told apart."""
    with pytest.raises(DatasetError, match=message):
        read_lightgcn(write(tmp_path, train, "0 2\n"))

"""``noise.json``: written whole, found in its folder, and named where it is no noise floor."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.noise import noise_floor
from harness.errors import RecordError
from harness.record import Record
from harness.store.noise_file import NAME, find_floor, read_floor, write_floor

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())


def test_a_floor_is_found_in_its_folder(tmp_path):
    """By folder or by file; a folder without one has none."""
    floor = noise_floor([replace(BASE, repeat=n, qps=100.0 + n) for n in range(4)], 2)
    assert find_floor(tmp_path) is None
    path = write_floor(tmp_path, floor)
    assert read_floor(path) == read_floor(tmp_path) == find_floor(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file or directory; `matchbench noise SUITE` makes it"),
        ("{", "is no noise floor"),
        ("[]", "is no noise floor"),
        ('{"schema": 9}', "has schema 9; this program reads 1"),
        ('{"schema": 1, "points": []}', "is no noise floor of schema 1"),
    ],
)
def test_what_is_no_floor_is_named(tmp_path, text, message):
    """A missing or damaged file is an error that says which and why."""
    if text is not None:
        (tmp_path / NAME).write_text(text)
    with pytest.raises(RecordError, match=message):
        read_floor(tmp_path / NAME)

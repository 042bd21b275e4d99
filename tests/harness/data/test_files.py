"""Files and numbers: every form gives the same bytes; every damage a message that says where."""

import gzip
import zipfile

import numpy as np
import pytest

from harness.data.files import DataFile, DataFolder
from harness.data.numbers import read_numbers, read_table
from harness.errors import DatasetError

TEXT = b"0 12 7\n1 3\n"


def plain(folder):
    (folder / "a.txt").write_bytes(TEXT)


def gzipped(folder):
    (folder / "a.txt.gz").write_bytes(gzip.compress(TEXT))


def archived(folder):
    with zipfile.ZipFile(folder / "owner.zip", "w") as archive:
        archive.writestr("owner/a.txt", TEXT)


def archived_beside(folder):
    with zipfile.ZipFile(folder.parent / "owner.zip", "w") as archive:
        archive.writestr("a.txt", TEXT)


@pytest.mark.parametrize("write", [plain, gzipped, archived, archived_beside])
def test_all_forms_give_the_same_bytes(tmp_path, write):
    """Plain, gzipped and archived files are read alike."""
    path = tmp_path / "set"
    path.mkdir()
    write(path)
    folder = DataFolder(path, ("owner.zip",))
    assert folder.has("a.txt")
    assert folder.read("a.txt").content == TEXT


def test_a_missing_file_is_named_with_its_place(tmp_path):
    """The message names the file, the folder and the archive that were looked at."""
    with pytest.raises(DatasetError, match=r"no a\.txt or a\.txt\.gz in .*, nor inside owner\.zip"):
        DataFolder(tmp_path, ("owner.zip",)).read("a.txt")


def test_an_empty_file_is_refused(tmp_path):
    """A file of blanks is called empty."""
    (tmp_path / "a.txt").write_bytes(b"\n")
    with pytest.raises(DatasetError, match=r"a\.txt: the file is empty"):
        DataFolder(tmp_path).read("a.txt")


@pytest.mark.parametrize("cut", [20, 5])
def test_a_truncated_gzip_is_refused(tmp_path, cut):
    """A gzip file cut in the data or in the header is called damaged or cut short."""
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT)[:cut])
    with pytest.raises(DatasetError, match=r"a\.txt\.gz: damaged or cut short"):
        DataFolder(tmp_path).read("a.txt")


def test_a_file_that_is_no_gzip_is_refused(tmp_path):
    """Text under a .gz name is called damaged."""
    (tmp_path / "a.txt.gz").write_bytes(TEXT)
    with pytest.raises(DatasetError, match="damaged or cut short"):
        DataFolder(tmp_path).read("a.txt")


def test_a_truncated_archive_is_refused(tmp_path):
    """A zip archive without its end is called damaged."""
    archived(tmp_path)
    whole = (tmp_path / "owner.zip").read_bytes()
    (tmp_path / "owner.zip").write_bytes(whole[:-30])
    folder = DataFolder(tmp_path, ("owner.zip",))
    assert folder.has("a.txt")  # as far as can be seen without reading it
    with pytest.raises(DatasetError, match=r"owner\.zip!a\.txt: damaged or cut short"):
        folder.read("a.txt")


def test_a_header_is_required_and_line_numbers_count_it():
    """Below a header, the second line of the file is still called line 2."""
    body = DataFile("a.csv", b"x,y\n1,2\n3\n").below("x,y")
    with pytest.raises(DatasetError, match=r"a\.csv: line 3: found 1 numbers, expected 2 numbers"):
        read_table(body, 2, b",")
    with pytest.raises(DatasetError, match="line 1: found 'x;y', expected x,y"):
        DataFile("a.csv", b"x;y\n1,2\n").below("x,y")


def test_numbers_of_any_length_and_their_lines():
    """Numbers of one to 18 digits, CRLF and no last newline are read; lines count from 0."""
    numbers = read_numbers(DataFile("a", b"7 042\r\n\r\n123456789012345678"), b" ")
    assert numbers.values.tolist() == [7, 42, 123456789012345678]
    assert numbers.lines.tolist() == [0, 0, 2]
    assert numbers.n_lines == 3


def test_random_tables_come_back():
    """What is printed is what is read."""
    table = np.random.default_rng(0).integers(0, 10**12, size=(200, 3))
    text = "\n".join("::".join(map(str, row)) for row in table)
    assert np.array_equal(read_table(DataFile("a", text.encode()), 3, b":"), table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1 2\n3 x7\n", r"line 2: found 'x7', expected an integer of at most 18 digits"),
        (b"1 2\n3 4.5\n", r"line 2: found '4\.5', expected an integer"),
        (b"1 -2\n", r"line 1: found '-2', expected an integer"),
        (b"1 \xff\n", r"line 1: found .*, expected an integer"),
        (b"1 2\x0c3\n", r"line 1: found '2\\x0c3', expected an integer"),
        (b"1 2\n3 1234567890123456789\n", r"line 2: found '1234567890123456789', expected"),
        (b"1 2\n\n3 4\n", r"line 2: found 0 numbers, expected 2 numbers: user item"),
        (b"1 2\n3", r"line 2: found 1 numbers, expected 2"),
        (b"1 2\n3 4 5\n", r"line 2: found 3 numbers, expected 2"),
    ],
)
def test_bad_tables_are_refused_with_line_and_token(text, message):
    """The line, what was found there and what was expected are named."""
    with pytest.raises(DatasetError, match=message):
        read_table(DataFile("a", text), 2, b" ", expected="user item")


def test_bytes_that_are_no_text_are_refused():
    """A byte outside the encoding is named with its line."""
    with pytest.raises(DatasetError, match="line 2: found byte 0xff, expected utf-8 text"):
        DataFile("a", b"ok\n\xff\n").lines()

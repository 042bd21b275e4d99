"""The index file: what is written is read in place; what is cut, altered or newer is refused."""

import json
import pickle
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from harness.errors import MethodError
from harness.lists import Lists
from methods.sparcode.index import checksums, index_file
from methods.sparcode.index.index_file import open_index, write_index
from methods.sparcode.index.lists_file import open_lists, open_packed, write_lists
from methods.sparcode.index.packed import pack
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving.cost_model import NEVER_DENSE
from methods.sparcode.serving.packed_merge import PackedMerger

ARRAYS = {
    "starts": np.array([0, 2, 2, 3], np.int64),
    "items": np.array([4, 7, 1], np.int32),
    "scores": np.array([0.5, 0.25, 3], np.float32),
    "none": np.zeros((0, 3), np.float32),
    "flags": np.array([[True, False]]),
}
POSTINGS = Postings(ARRAYS["starts"], ARRAYS["items"], ARRAYS["scores"])


@pytest.fixture
def path(tmp_path):
    """Return a small file of four sections, and one that is empty."""
    path = tmp_path / "some.index"
    write_index(path, ARRAYS, {"n_items": 9, "scale": 0.1})
    return path


def test_arrays_and_facts_come_back(path):
    """Names, dtypes, shapes, bits and facts; every section at a multiple of 64 bytes."""
    found = open_index(path)
    assert list(found.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array, strict=True)
    assert found.facts == {"n_items": 9, "scale": 0.1}
    assert path.stat().st_size % 64 == 0


@settings(max_examples=60, deadline=None)
@given(
    arrays=st.dictionaries(
        st.text(min_size=1, max_size=9),
        stnp.arrays(
            st.sampled_from([np.int32, np.uint32, np.int64, np.float32, np.float64, np.bool_]),
            stnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        ),
        max_size=4,
    )
)
def test_any_numbers_come_back(arrays, tmp_path_factory):
    """Bit for bit, NaN included, of any shape and any name."""
    path = tmp_path_factory.mktemp("any") / "any.index"
    write_index(path, arrays)
    found = open_index(path).arrays
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_a_change_of_any_byte_is_found(path):
    """Each byte of the file in turn, one bit of it flipped: verified, no such file is opened."""
    whole = path.read_bytes()
    for place in range(len(whole)):
        altered = bytearray(whole)
        altered[place] ^= 1 << (place % 8)
        path.write_bytes(altered)
        with pytest.raises(MethodError, match=r"some\.index: "):
            open_index(path, verify=True)


def test_what_opening_checks_without_reading_the_arrays(path):
    """Every byte up to the first section is checked always; a section's only by verification."""
    whole = path.read_bytes()
    first = whole.index(ARRAYS["starts"].tobytes())
    for place in range(first):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(MethodError, match=r"some\.index: "):
            open_index(path, verify=False)
    path.write_bytes(whole[:first] + b"\x05" + whole[first + 1 :])
    assert open_index(path, verify=False).arrays["starts"][0] == 5
    with pytest.raises(MethodError, match=r"section 'starts' was altered .* 0x\w+, expected 0x"):
        open_index(path)  # small files are verified unless told otherwise


def test_a_large_section_is_checked_when_it_is_read(path, monkeypatch):
    """Above the limit opening reads the smaller sections alone; the check knows each byte."""
    limit = sum(one.nbytes for name, one in ARRAYS.items() if name != "starts")
    monkeypatch.setattr(index_file, "VERIFIED_BYTES", limit)
    monkeypatch.setattr(checksums, "BLOCK_BYTES", 8)
    write_index(path, ARRAYS)
    whole = path.read_bytes()
    assert list(open_index(path).unread) == ["starts"]
    first = whole.index(ARRAYS["starts"].tobytes())
    for place in range(first, first + ARRAYS["starts"].nbytes):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        check, block = open_index(path).unread["starts"], (place - first) // 8
        check.verify(0, 8 * block)
        check.verify(8 * block + 8)
        for reach in ((8 * block + 7, 8 * block + 8), (0, None)):
            with pytest.raises(MethodError, match=f"'starts' was altered .* its block {block} of"):
                check.verify(*reach)
    items = whole.index(ARRAYS["items"].tobytes())
    path.write_bytes(whole[:items] + b"\x05" + whole[items + 1 :])
    with pytest.raises(MethodError, match="section 'items' was altered"):
        open_index(path)


def test_a_file_of_any_other_length_is_refused(path):
    """Cut anywhere, also to nothing; or with more behind it."""
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        expected = f"has {length} bytes, " + ("an index file" if length < 64 else "expected")
        with pytest.raises(MethodError, match=rf"some\.index: {expected}"):
            open_index(path, verify=False)
    path.write_bytes(whole + b"\0")
    with pytest.raises(MethodError, match=f"has {len(whole) + 1} bytes, expected {len(whole)}"):
        open_index(path, verify=False)


def with_preamble(path, place, form, value):
    """Change a field of the preamble and make the checksum fit, as a later program would."""
    whole = bytearray(path.read_bytes())
    struct.pack_into(form, whole, place, value)
    header_bytes = struct.unpack_from("<Q", whole, 16)[0]
    crc = zlib.crc32(whole[64 : 64 + header_bytes], zlib.crc32(whole[:32]))
    struct.pack_into("<I", whole, 32, crc)
    path.write_bytes(whole)


def test_a_later_version_and_another_byte_order_are_refused_by_name(path):
    """Although their checksums fit."""
    with_preamble(path, 8, "<I", 2)
    open_index(path)  # the working of this test: the same again is no change
    for other in (1, 3):
        with_preamble(path, 8, "<I", other)
        with pytest.raises(MethodError, match=f"has version {other}; this program reads version 2"):
            open_index(path)
    with_preamble(path, 8, "<I", 2)
    mark = path.read_bytes()[12:16]
    with_preamble(path, 12, "<4s", mark[::-1])
    with pytest.raises(MethodError, match=f"{mark[::-1].hex()}, expected {mark.hex()}"):
        open_index(path)


@pytest.mark.parametrize(
    ("name", "value"), [("offset", 64000), ("offset", 1), ("offset", -64), ("bytes", 31)]
)
def test_a_table_that_does_not_fit_the_file_is_refused(path, name, value):
    """Although its checksum fits: no array reaches beyond the file."""
    whole = path.read_bytes()
    header_bytes = struct.unpack_from("<Q", whole, 16)[0]
    header = json.loads(whole[64 : 64 + header_bytes])
    base = -(-(64 + header_bytes) // 64) * 64
    header["sections"][0][name] = value - base if name == "offset" else value
    text = json.dumps(header).encode()
    assert len(text) <= base - 64
    path.write_bytes(whole[:64] + text.ljust(base - 64, b"\0") + whole[base:])
    with_preamble(path, 16, "<Q", len(text))
    with pytest.raises(MethodError, match="section 'starts' lies at"):
        open_index(path)


def test_other_files_are_refused(tmp_path):
    """None there, a folder, text, and a pickle, which is not unpickled."""
    path = tmp_path / "other"
    with pytest.raises(MethodError, match="other: cannot be opened"):
        open_index(path)
    with pytest.raises(MethodError, match="cannot be opened"):
        open_index(tmp_path)
    for content in (b"text " * 40, pickle.dumps(list(range(100)))):
        path.write_bytes(content)
        with pytest.raises(MethodError, match="other: begins with b"):
            open_index(path)


def test_arrays_lie_in_the_file(path):
    """Read-only, or private: what is written to memory does not reach the file."""
    before = path.read_bytes()
    array = open_index(path).arrays["items"]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 3
    private = open_index(path, copy_on_write=True).arrays["items"]
    private[0] = 3
    assert (private[0], path.read_bytes()) == (3, before)


def test_a_write_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    """Neither half a file nor a remnant beside it; and a whole write replaces the old one."""
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(index_file.os, "fsync", fail)
        with pytest.raises(OSError, match="full"):
            write_index(path, {"other": np.arange(9)})
    assert (path.read_bytes(), list(path.parent.iterdir())) == (before, [path])
    write_index(path, {"other": np.arange(9)})
    assert list(open_index(path).arrays) == ["other"]


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["a"]), np.array([1], ">i4")])
def test_what_is_no_number_is_not_written(array, tmp_path):
    """Objects would need pickle; foreign byte order would be read wrongly in place."""
    with pytest.raises(ValueError, match="array 'bad' has dtype"):
        write_index(tmp_path / "x", {"bad": array})
    assert list(tmp_path.iterdir()) == []


def packed():
    return pack(POSTINGS, np.arange(9)[::-1].copy(), 4)


@pytest.mark.parametrize(
    "lists",
    [
        POSTINGS,
        packed(),
        Postings(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)),
        Postings(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)),
        Postings(np.array([0, 1]), np.array([0], np.int32), np.array([1], np.float32)),
    ],
    ids=["exact", "packed", "no list", "empty lists", "one posting"],
)
def test_lists_come_back(lists, tmp_path):
    """Of the same kind, bit for bit, writable for compiled code; with the writer's facts."""
    write_lists(tmp_path / "lists", lists, {"n_items": 9})
    found, facts = open_lists(tmp_path / "lists")
    assert (type(found), facts) == (type(lists), {"n_items": 9})
    for one, other in zip(found, lists, strict=True):
        np.testing.assert_array_equal(one, other, strict=isinstance(other, np.ndarray))
    assert found.starts.flags.writeable


def test_files_that_hold_no_lists_are_refused(path, tmp_path):
    """Other facts, other arrays, and starts that do not fit the postings."""
    with pytest.raises(MethodError, match=r"some\.index: holds \['flags', .* expected lists"):
        open_lists(path)
    write_index(path, {"starts": np.arange(2)}, {"kind": "postings", "values": {}, "facts": 0})
    with pytest.raises(MethodError, match="expected lists"):
        open_lists(path)
    for starts in ([], [0, 2, 1, 3], [1, 3], [0, 2]):
        write_lists(path, POSTINGS._replace(starts=np.array(starts, np.int64)))
        with pytest.raises(MethodError, match="do not rise from 0 to its 3 postings"):
            open_lists(path)


def large_file(path, n_lists=400, length=50_000, n_items=60_000):
    """Write packed lists of 80 MB, above the limit up to which all is checked at once."""
    random = np.random.default_rng(0)
    items = np.sort(random.integers(n_items, size=(8, length)).astype(np.int32), axis=1)
    starts = np.arange(n_lists + 1) * length
    scores = random.random(n_lists * length, np.float32) + np.float32(0.1)
    lists = Postings(starts, np.tile(items, (n_lists // 8, 1)).ravel(), scores)
    write_lists(path, pack(lists, np.arange(n_items), 4))
    assert path.stat().st_size > index_file.VERIFIED_BYTES


def test_no_altered_byte_of_a_large_file_is_served(tmp_path):
    """A byte of every section, and of what lies before and between them, of an 80 MB file.

    What opening does not see, an altered posting, is refused by the first merge of its list, on any
    number of threads; other lists, and the same one once the byte is put back, are served.
    """
    path = tmp_path / "large.index"
    large_file(path)
    whole = np.memmap(path, np.uint8, mode="r+")
    header_bytes = int(whole[16:24].view(np.uint64)[0])
    header = json.loads(bytes(whole[64 : 64 + header_bytes]))
    first = -(-(64 + header_bytes) // 64) * 64
    sections = {one["name"]: one for one in (*header["sections"], header["sums"])}
    assert set(sections) == {"starts", "entries", "items", "places", "sums"}
    places = [8, 40, 64, first - 1]
    for name in ("starts", "items", "places", "sums"):
        begin, size = first + sections[name]["offset"], sections[name]["bytes"]
        places += [begin, begin + size // 2, begin + size - 1]
    for place in places:
        whole[place] ^= 0x80
        with pytest.raises(MethodError, match=r"large\.index: "):
            open_packed(path)
        whole[place] ^= 0x80
    hidden, entries = Lists.empty(20), first + sections["entries"]["offset"]
    for one, threads in ((0, 1), (7, 2), (399, 1)):
        place = entries + 4 * (50_000 * one + 31_000) + 3  # the high byte: a place far away
        expected = merged(path, one, hidden, threads)
        whole[place] ^= 0x80
        opened = open_packed(path)
        assert opened.unread is not None
        merger = PackedMerger(opened.lists, 60_000, costs=NEVER_DENSE, unread=opened.unread)
        merger.merge(np.full((20, 1), 200), None, hidden, 5)
        with pytest.raises(MethodError, match=r"large\.index: section 'entries' was altered"):
            merger.merge(np.full((20, 1), one), None, hidden, 5, threads=threads)
        with pytest.raises(MethodError, match="altered"):
            opened.unread.verify()
        whole[place] ^= 0x80
        for ours, theirs in zip(merged(path, one, hidden, threads), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def merged(path, one, hidden, threads):
    lists, _, unread = open_packed(path)
    merger = PackedMerger(lists, 60_000, costs=NEVER_DENSE, unread=unread)
    return merger.merge(np.full((20, 1), one), None, hidden, 5, threads=threads)


@pytest.mark.parametrize("limit", [0, index_file.VERIFIED_BYTES])
def test_places_without_an_item_are_refused_though_checksums_fit(limit, tmp_path, monkeypatch):
    """9 items, and a posting, an order of items, of places, that name a tenth or one below 0."""
    monkeypatch.setattr(index_file, "VERIFIED_BYTES", limit)
    path, whole = tmp_path / "lists", packed()
    entries = whole.entries.copy()
    entries[1] = 9 << whole.impact_bits | 1
    write_lists(path, whole._replace(entries=entries))

    def search():
        lists, _, unread = open_packed(path)
        merger = PackedMerger(lists, 9, costs=NEVER_DENSE, unread=unread)
        merger.merge(np.array([[0]]), None, Lists.empty(1), 2)

    with pytest.raises(MethodError, match="a posting is of place 9; there are 9 items"):
        search()
    for name in ("items", "places"):
        for wrong in (9, -1):
            numbers = getattr(whole, name).copy()
            numbers[3] = wrong
            write_lists(path, whole._replace(**{name: numbers}))
            with pytest.raises(MethodError, match="no two orders of 9 items"):
                open_packed(path)
    write_lists(path, whole._replace(impact_bits=40))
    with pytest.raises(MethodError, match="impact_bits = 40"):
        open_packed(path)

"""Saved arrays come back as they were, or the file that is at fault is named."""

import json

import numpy as np
import pytest

from harness.arrays import INDEX, load_arrays, save_arrays
from harness.errors import MethodError

ARRAYS = {
    "vectors": np.arange(12, dtype=np.float32).reshape(3, 4),
    "none": np.zeros((0, 4), np.int32),
    "one": np.array(2.5),
    "tower.0.weight": np.asfortranarray(np.arange(6).reshape(2, 3)),
}


@pytest.fixture
def folder(tmp_path):
    save_arrays(tmp_path, "some", ARRAYS, {"epochs": 3, "rate": 0.1, "names": ["ä", "b"]})
    return tmp_path


@pytest.mark.parametrize("mapped", [False, True])
def test_what_was_saved_comes_back(folder, mapped):
    """Values, shapes and dtypes; empty arrays, numbers and columns-first arrays; the facts."""
    arrays, facts = load_arrays(folder, "some", mapped=mapped)
    assert facts == {"epochs": 3, "rate": 0.1, "names": ["ä", "b"]}
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape


def test_objects_are_refused(tmp_path):
    """An array of objects would need pickle."""
    with pytest.raises(ValueError, match="allow_pickle"):
        save_arrays(tmp_path, "some", {"objects": np.array([{}], dtype=object)})


@pytest.mark.parametrize("mapped", [False, True])
def test_a_cut_file_is_named(folder, mapped):
    """Its last byte is missing."""
    path = folder / "vectors.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MethodError, match=rf"{path}: has 175 bytes, expected 176"):
        load_arrays(folder, "some", mapped=mapped)


def test_an_altered_file_is_named(folder):
    """One bit of one value differs; size, shape and dtype are as they were."""
    path = folder / "vectors.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(MethodError, match=rf"{path}: was altered since it was written"):
        load_arrays(folder, "some")


@pytest.mark.parametrize("mapped", [False, True])
def test_an_altered_head_is_named(folder, mapped):
    """Whatever numpy's reader stumbles over; where it does not, the array is the same."""
    path = folder / "vectors.npy"
    whole, n_refused = path.read_bytes(), 0
    for place in range(126):
        for put in (b"\x00", b"(", b"'", b"\xff\xff\xff\xff"):
            path.write_bytes(whole[:place] + put + whole[place + len(put) :])
            try:
                arrays, _ = load_arrays(folder, "some", mapped=mapped)
            except MethodError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017 -- most raise, not all
                n_refused += 1
            else:
                np.testing.assert_array_equal(arrays["vectors"], ARRAYS["vectors"])
    assert n_refused > 200


def test_a_missing_file_is_named(folder):
    """The index speaks of it."""
    (folder / "one.npy").unlink()
    with pytest.raises(MethodError, match=rf"{folder / 'one.npy'}: cannot be read"):
        load_arrays(folder, "some")


def test_another_array_is_named(folder):
    """A file of the same size that holds another dtype."""
    np.save(folder / "vectors.npy", ARRAYS["vectors"].view(np.int32))
    with pytest.raises(MethodError, match=r"vectors.npy: holds <i4 \[3, 4\], expected <f4"):
        load_arrays(folder, "some")


def test_an_altered_index_is_named(folder):
    """A changed fact is noticed."""
    path = folder / INDEX
    path.write_text(path.read_text().replace('"epochs": 3', '"epochs": 4'))
    with pytest.raises(MethodError, match=rf"{path}: was altered since it was written"):
        load_arrays(folder, "some")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2; this program reads 1"),
        ({"kind": "other"}, "holds 'other', expected 'some'"),
        ({"arrays": None}, "is not the index of a saved method"),
    ],
)
def test_another_index_is_refused(folder, change, message):
    """A newer schema, another method's folder, no index at all."""
    index = json.loads((folder / INDEX).read_text()) | change
    if change.get("arrays", 1) is None:
        del index["arrays"]
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(MethodError, match=message):
        load_arrays(folder, "some")


def test_a_folder_without_index_is_refused(tmp_path):
    """With the path of the index that is not there."""
    with pytest.raises(MethodError, match=rf"{tmp_path / INDEX}: is not the index"):
        load_arrays(tmp_path, "some")

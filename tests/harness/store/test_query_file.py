"""Files of per-query values: what was scored comes back in its rows, damage is named."""

import numpy as np
import pytest

from harness.errors import RecordError
from harness.store.query_file import read_latencies, read_query_lists, read_query_values


def test_values_come_back_in_their_rows(tmp_path):
    """Of a sampled metric queries 2 and 0 were scored; the third of the three is query 1: NaN."""
    arrays = {"metrics/m@1": np.array([0.1, 0.2, 0.3]), "metrics/ann_recall@1": np.array([1, 0.5])}
    np.savez(tmp_path / "a.npz", user_ids=np.array([7, 8, 9]), exact_rows=[2, 0], **arrays)
    found = read_query_values(tmp_path, "a.npz")
    assert found.user_ids.tolist() == [7, 8, 9]
    assert found.metrics["m@1"].tolist() == [0.1, 0.2, 0.3]
    np.testing.assert_array_equal(found.metrics["ann_recall@1"], [0.5, np.nan, 1.0])


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04cut"])
def test_a_damaged_file_is_named(tmp_path, content):
    """A file that is missing, empty, of another kind or cut: one message with its path."""
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"a\.npz"):
        read_query_values(tmp_path, "a.npz")


def test_facts_and_times_come_back_by_name(tmp_path):
    """Facts of the queries, and the seconds of loads 0 and 2; an older file holds neither."""
    arrays = {"queries/history_items": np.array([4, 9]), "latency_s/0": np.array([0.1, 0.2, 0.3]),
              "latency_s/2": np.array([0.5]), "latency_rows/0": np.array([0, 1, 0])}  # fmt: skip
    np.savez(tmp_path / "a.npz", user_ids=np.array([7, 8]), **arrays)
    assert read_query_values(tmp_path, "a.npz").facts["history_items"].tolist() == [4.0, 9.0]
    times = read_latencies(tmp_path, "a.npz")
    assert {number: values.tolist() for number, values in times.items()} == {
        0: [0.1, 0.2, 0.3], 2: [0.5]
    }  # fmt: skip
    np.savez(tmp_path / "old.npz", user_ids=np.array([7, 8]))
    assert read_query_values(tmp_path, "old.npz").facts == {}
    assert read_latencies(tmp_path, "old.npz") == {}
    assert read_latencies(tmp_path, None) == {}
    with pytest.raises(RecordError, match=r"b\.npz: cannot be read"):
        read_latencies(tmp_path, "b.npz")


def test_values_that_fit_no_query_are_refused(tmp_path):
    """Two values of three queries, and rows for one: not guessed."""
    np.savez(tmp_path / "a.npz", user_ids=[1, 2, 3], exact_rows=[0], **{"metrics/m@1": [0.5, 0.6]})
    with pytest.raises(RecordError, match="holds 2 values for 3 queries"):
        read_query_values(tmp_path, "a.npz")


def test_a_record_without_a_file_is_told(tmp_path):
    """A record that names no file cannot be paired by query."""
    with pytest.raises(RecordError, match="names no file"):
        read_query_values(tmp_path, None)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_that_numpy_wrote(tmp_path, save):
    """Lists in either order of memory, of each width, and empty ones: as `numpy.load` has them."""
    ids = np.arange(12, dtype=np.int32).reshape(4, 3)
    arrays = {"user_ids": np.arange(4), "scores": (ids / 8).astype(">f4"), "call_s/0": np.zeros(0)}
    for form in (ids, np.asfortranarray(ids)):
        save(tmp_path / "a.npz", ids=form, **arrays)
        found = read_query_lists(tmp_path, "a.npz")
        assert found.answers.ids.tolist() == ids.tolist()
        assert found.answers.scores.tolist() == (ids / 8).tolist()
        assert found.times["call_s/0"].shape == (0,)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_byte_of_an_array_changes_unseen(tmp_path, save):
    """One bit of the values turned on disk: the file is named, and nothing is read from it."""
    values = np.random.default_rng(0).random(64)
    save(tmp_path / "a.npz", user_ids=np.arange(64), **{"metrics/m@1": values})
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(b"metrics/m@1.npy") + 300] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"a\.npz"):
        read_query_values(tmp_path, "a.npz")


def test_objects_are_refused(tmp_path):
    """An array of objects would run code of the file: it is not read."""
    np.savez(tmp_path / "a.npz", user_ids=np.array([{}, []], dtype=object))
    with pytest.raises(RecordError, match=r"a\.npz"):
        read_query_values(tmp_path, "a.npz")

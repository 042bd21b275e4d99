"""The test part stays closed: it is not made, and what is in it changes nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from harness.cli import main
from harness.data import splits
from harness.data.catalog import load_log
from harness.data.log import TEST, TRAIN
from harness.data.split_spec import KINDS, parse_split
from harness.data.splits import split_closed, split_log
from harness.run import inputs


def board():
    """Return a checkerboard in time order, the last six of each user's twenty events being test."""
    log = load_log("checkerboard", {}, None)
    place = np.arange(log.n_events) % 20
    part = np.where(place < 14, TRAIN, TEST).astype(np.int8)
    return replace(log, part=part, ordered=True, timestamps=np.arange(log.n_events))


def other_test_items(log):
    """Return the log with each user's test items exchanged for others that he has not met."""
    items = log.item_ids.copy()
    for user in range(log.n_users):
        rows = np.flatnonzero(log.user_ids == user)
        test = rows[log.part[rows] == TEST]
        items[test] = np.setdiff1d(np.arange(log.n_items), log.item_ids[rows])[: test.size]
    assert (items != log.item_ids).sum() == 6 * log.n_users
    return replace(log, item_ids=items)


def same(first, second):
    np.testing.assert_array_equal(first.indptr, second.indptr)
    np.testing.assert_array_equal(first.ids, second.ids)


@pytest.mark.parametrize("kind", list(KINDS))
def test_training_and_validation_are_those_of_a_run(kind):
    """Whatever the split, a tuning learns from and is scored on the parts that a run has."""
    spec = parse_split({"kind": kind, "cold_items": "keep", "cold_users": "keep"})
    whole, closed = split_log(board(), spec, "board"), split_closed(board(), spec, "board")
    assert (closed.data_hash, closed.protocol) == (whole.data_hash, whole.protocol)
    assert closed.train.n_users == whole.train.n_users
    assert closed.train.n_items == whole.train.n_items
    same(closed.train.events, whole.train.events)
    same(closed.validation.relevant, whole.validation.relevant)
    for name in ("history", "hidden"):
        first, second = (getattr(one.validation.queries, name) for one in (closed, whole))
        same(first, second)
    users = whole.validation.queries.user_ids
    np.testing.assert_array_equal(closed.validation.queries.user_ids, users)
    assert not hasattr(closed, "test")


HEAD = """
name = "tiny"
question = "Is test opened?"
dataset = "checkerboard"
split = { kind = "given", validation = 0.3, cold_items = "keep" }
metrics = ["recall@20"]
"""
CASES = (
    'method = "aimed"',
    'method = "item_knn"\ntune = { n_neighbours = { low = 1, high = 40 } }',
)


def tuned(path, out):
    """Tune in this process; return what was tried and what came of it."""
    assert main(["tune", str(path), "--trials", "6", "--out", str(out)]) == 0
    lines = (out / "tuning.jsonl").read_text().splitlines()
    return [
        {key: one[key] for key in ("case", "number", "values", "value", "n_queries", "status")}
        for one in map(json.loads, lines)
    ]


def test_what_is_in_the_test_part_changes_nothing(make_suite, here, monkeypatch, tmp_path):
    """With every test label another item all trials, values and choices are the same."""
    path = make_suite(*CASES, head=HEAD)
    monkeypatch.setattr(inputs, "load_log", lambda *_: board())
    first = tuned(path, tmp_path / "first")
    assert {one["status"] for one in first} == {"ok"}
    assert len({one["value"] for one in first if one["case"] == "item_knn"}) > 1
    monkeypatch.setattr(inputs, "load_log", lambda *_: other_test_items(board()))
    assert tuned(path, tmp_path / "second") == first


def test_what_is_in_the_open_parts_does(make_suite, here, monkeypatch, tmp_path):
    """Other training and validation items change values, so the test above could fail."""
    path = make_suite(*CASES, head=HEAD)
    monkeypatch.setattr(inputs, "load_log", lambda *_: board())
    first = tuned(path, tmp_path / "first")
    log = board()
    others = replace(log, item_ids=np.where(log.part == TEST, log.item_ids, 59 - log.item_ids))
    monkeypatch.setattr(inputs, "load_log", lambda *_: others)
    assert tuned(path, tmp_path / "second") != first


def test_opening_it_would_raise(make_suite, here, monkeypatch, tmp_path):
    """A tuning goes through where making queries of the test part is an error; a run would not."""
    path = make_suite(*CASES, head=HEAD)
    monkeypatch.setattr(inputs, "load_log", lambda *_: board())
    made = splits.held_out

    def refusing(log, spec, train, share):
        if share.name == "test":
            raise AssertionError("the test part was opened")
        assert log.part is None or not (log.part == TEST).any()
        return made(log, spec, train, share)

    monkeypatch.setattr(splits, "held_out", refusing)
    assert len(tuned(path, tmp_path / "out")) == 12
    with pytest.raises(AssertionError):
        split_log(board(), parse_split({"kind": "given", "cold_items": "keep"}), "board")

"""Baselines: what is written is read, and an edit by hand does not go unseen."""

import json

import numpy as np
import pytest

from harness.baseline import Baseline, Change, Spread
from harness.errors import RecordError
from harness.facts import Facts, Taken, hash_of_lists
from harness.store.baseline import FACTS, VALUES, read_baseline, write_baseline


@pytest.fixture
def baseline():
    """Return a baseline of two points."""
    points = {}
    for case, search in (("a", {}), ("b", {"nprobe": 4})):
        facts = Facts(
            case=case, method="m", build={"dim": 8}, search=search, device="cpu", seed=7,
            data_hash="d", metrics_version=1, exact=case == "a", n_queries=3, lists="f" * 64,
            index_bytes=10, counters={"postings": 4}, metrics={"recall@10": 1 / 3},
        )  # fmt: skip
        values = {"recall@10": np.array([0.0, 1.0, np.nan])}
        points[facts.name] = Taken(facts, np.array([5, 6, 9]), values)
    change = Change(at="2026-01-01", commit="c", reason="first", changed=("a",))
    spread = Spread(n_seeds=5, deviations={"recall@10": 0.01}, steady=("index_bytes",))
    return Baseline(
        suite="s",
        arithmetic={"numpy": "2"},
        history=(change,),
        points=points,
        spreads={"b nprobe=4": spread},
    )


def test_what_is_written_is_read(baseline, tmp_path):
    """Every field and every value by query."""
    write_baseline(tmp_path, baseline)
    found = read_baseline(tmp_path)
    assert (found.suite, found.arithmetic, found.history, found.spreads) == (
        baseline.suite,
        baseline.arithmetic,
        baseline.history,
        baseline.spreads,
    )
    assert list(found.points) == ["a", "b nprobe=4"]
    for name, point in baseline.points.items():
        assert found.points[name].facts == point.facts
        np.testing.assert_array_equal(found.points[name].user_ids, point.user_ids)
        np.testing.assert_array_equal(
            found.points[name].values["recall@10"], point.values["recall@10"]
        )


def test_an_edit_by_hand_is_refused(baseline, tmp_path):
    """A hash put right by hand, or values of another update, break the digest."""
    write_baseline(tmp_path, baseline)
    path = tmp_path / FACTS
    whole = path.read_text()
    path.write_text(whole.replace('"index_bytes": 10', '"index_bytes": 11'))
    with pytest.raises(RecordError, match="digest does not hold"):
        read_baseline(tmp_path)
    path.write_text(whole)
    with np.load(tmp_path / VALUES) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["0/recall@10"] = np.array([1.0, 1.0, 1.0])
    np.savez_compressed(tmp_path / VALUES, **arrays)
    with pytest.raises(RecordError, match="digest does not hold"):
        read_baseline(tmp_path)


def test_what_is_no_baseline_is_refused(baseline, tmp_path):
    """Nothing there, another schema, a field too few: each is said."""
    with pytest.raises(RecordError, match="cannot be read"):
        read_baseline(tmp_path)
    write_baseline(tmp_path, baseline)
    table = json.loads((tmp_path / FACTS).read_text())
    (tmp_path / FACTS).write_text(json.dumps({**table, "schema": 9}))
    with pytest.raises(RecordError, match="schema 1"):
        read_baseline(tmp_path)
    del table["points"][0]["case"]
    (tmp_path / FACTS).write_text(json.dumps(table))
    with pytest.raises(RecordError, match="case"):
        read_baseline(tmp_path)


def test_the_hash_is_of_queries_and_lists():
    """Another order of two ids, or another user, is another hash; the width of integers is not."""
    users, ids = np.array([1, 2]), np.array([[3, 4], [5, 6]])
    known = hash_of_lists(users, ids)
    assert hash_of_lists(users.astype(np.int32), ids.astype(np.int32)) == known
    assert hash_of_lists(users, ids[:, ::-1]) != known
    assert hash_of_lists(users + 1, ids) != known
    assert hash_of_lists(users, ids.reshape(1, 4)) != known

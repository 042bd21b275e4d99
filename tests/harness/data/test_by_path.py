"""Data sets that a suite names by path: each format by hand, its faults, and what a suite sees."""

import importlib
import json
import sys

import h5py
import numpy as np
import pytest

from harness.cli import main
from harness.data import catalog
from harness.data.catalog import dataset_id, load_log
from harness.data.log import TEST, TRAIN, VALIDATION
from harness.data.recorded import load_recorded
from harness.data.splits import parse_split, split_log
from harness.errors import DatasetError
from harness.topk import select_top_k

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
KEEP = {"kind": "given", "cold_items": "keep", "cold_users": "keep"}


@pytest.fixture
def recbole(tmp_path):
    """Return a root with the RecBole set `shop`: users 2, 10 and x, items a, b and c."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.inter").write_text(
        INTER + "10\tb\t4.5\t7.9\n2\ta\t1\t5\n2\tb\t3\t4\nx\ta\t2\t1\n10\ta\t2\t9\n"
    )
    (folder / "shop.user").write_text("user_id:token\tage:float\tcity:token\n2\t30\tBonn\nx\t\t\n")
    (folder / "shop.item").write_text(
        "item_id:token\ttitle:token_seq\tat:float_seq\nc\tred shoe\t1 2\na\tred\t3 4\n"
    )
    return tmp_path


def test_recbole_by_hand(recbole):
    """Users 2, 10, x are 0, 1, 2 (numbers by value, before words), items a, b, c are 0, 1, 2.

    c has no event and stays in the catalogue; b has no row in .item, 10 none in .user.
    """
    log = load_log("recbole", {"path": "shop"}, recbole)
    assert (log.n_users, log.n_items, log.ordered, log.part) == (3, 3, True, None)
    events = list(zip(log.user_ids, log.item_ids, log.timestamps, log.ratings, strict=True))
    assert events == [(0, 1, 4, 3), (0, 0, 5, 1), (1, 1, 7, 4.5), (1, 0, 9, 2), (2, 0, 1, 2)]
    users, items = log.user_fields.columns, log.item_fields.columns
    assert users["age"].values.tolist() == [[30], [0], [0]]
    assert (users["city"].ids.tolist(), users["city"].size) == ([1, 0, 0], 2)
    title = items["title"]
    assert [title.lists.row(i).tolist() for i in range(3)] == [[0], [], [0, 1]]
    assert items["at"].values.tolist() == [[3, 4], [0, 0], [1, 2]]


def test_recbole_parts_give_the_split(tmp_path):
    """name.train.inter, name.valid.inter and name.test.inter: RecBole's benchmark files."""
    for part, line in (("train", "0\t1"), ("valid", "0\t2"), ("test", "0\t0")):
        (tmp_path / f"s.{part}.inter").write_text(f"user_id:token\titem_id:token\n{line}\n")
    log = load_log("recbole", {"path": str(tmp_path), "name": "s"})
    assert log.item_ids.tolist() == [0, 1, 2]
    assert log.part.tolist() == [TEST, TRAIN, VALIDATION]
    assert (log.timestamps, log.ratings) == (None, None)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("inter", "user_id\titem_id:token\n", "line 1: found ':user_id', expected name:type"),
        ("inter", "user_id:word\titem_id:token\n", "a type of token, token_seq"),
        ("inter", "usr_id:token\titem_id:token\n1\t2\n", "no column 'user_id'.*mean 'usr_id'"),
        ("inter", "user_id:token\titem_id:float\n1\t2\n", "item_id:float, expected item_id:token"),
        ("inter", INTER + "1\t2\t3\n", "line 2: found 3 columns, expected 4"),
        ("inter", INTER + "1\t2\t3\t4\n1\t2\tgood\t4\n", "line 3: found 'good', expected a finite"),
        ("user", "user_id:token\n2\n2\n", "line 3: found user_id '2' again"),
        ("item", "item_id:token\tv:float_seq\na\t1 2\nb\t1\n", "line 3: found 1 numbers in v"),
    ],
)  # fmt: skip
def test_faults_of_recbole_name_the_line(recbole, file, text, message):
    """Which file, which line, what was found, what was expected."""
    (recbole / "shop" / f"shop.{file}").write_text(text)
    with pytest.raises(DatasetError, match=message) as caught:
        load_log("recbole", {"path": "shop"}, recbole)
    assert f"shop.{file}: line" in str(caught.value)


def test_lightgcn_text_in_any_folder(tmp_path):
    """train.txt and test.txt below a path, by the same reader as the known sets."""
    (tmp_path / "train.txt").write_text("0 1\n1 2\n")
    (tmp_path / "test.txt").write_text("0 2\n1 0\n")
    log = load_log("lightgcn", {"path": str(tmp_path)})
    assert (log.n_users, log.n_items, log.n_events) == (2, 3, 4)
    assert log.part.tolist() == [TRAIN, TEST, TEST, TRAIN]


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    texts = [("d1", "Cats", "cats purr"), ("d2", "", "dogs bark at cats"), ("d3", "Birds", "")]
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": d, "title": t, "text": x}) + "\n" for d, t, x in texts)
    )
    queries = [("q1", "do cats purr?"), ("q2", "birds"), ("q3", "bark")]
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": q, "text": x}) + "\n" for q, x in queries)
    )
    head = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "train.tsv").write_text(head + "q1\td1\t2\nq1\td3\t0\nq3\td2\t1\n")
    (folder / "qrels" / "dev.tsv").write_text(head + "q3\td1\t1\n")
    (folder / "qrels" / "test.tsv").write_text(head + "q2\td3\t1\nq1\td2\t1\n")
    return tmp_path


def test_beir_by_hand(beir):
    """Queries are users and documents items, in the order of the files; grade 0 is left out.

    Two texts hold cats, each other word is in one: by frequency, then alphabet, cats, at, bark.
    """
    np.save(beir / "beir" / "corpus.npy", np.eye(3)[:, :2])
    np.save(beir / "beir" / "queries.npy", np.ones((3, 2)))
    log = load_log("beir", {"path": "beir", "words": 3}, beir)
    events = list(zip(log.user_ids, log.item_ids, log.part, strict=True))
    assert events == [(0, 0, TRAIN), (0, 1, TEST), (1, 2, TEST), (2, 0, VALIDATION), (2, 1, TRAIN)]
    words = log.item_fields.columns["words"].lists
    assert [words.row(i).tolist() for i in range(3)] == [[0], [0, 1, 2], []]
    asked = log.user_fields.columns["words"].lists
    assert [asked.row(i).tolist() for i in range(3)] == [[0], [], [2]]
    assert log.item_fields.columns["vector"].values.dtype == np.float32
    parts = split_log(log, parse_split(KEEP), "beir")
    assert parts.test.queries.user_ids.tolist() == [0, -1]
    assert [parts.test.relevant.row(i).tolist() for i in range(2)] == [[1], [2]]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("corpus.jsonl", '{"_id": "d1"}\n{"id": 2}\n', 'line 2: found .*whose "_id" is text'),
        ("corpus.jsonl", '{"_id": "d1"}\n{"_id": "d1"}\n', "line 2: found \"_id\" 'd1' again"),
        ("queries.jsonl", "{\n", "line 1: found no JSON"),
        ("qrels/test.tsv", "query\tdoc\tscore\n", "line 1: found 'query"),
        (
            "qrels/test.tsv",
            "query-id\tcorpus-id\tscore\nq1\td9\t1\n",
            "line 2: found document 'd9'",
        ),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\tyes\n", "the score a whole number"),
    ],
)
def test_faults_of_beir_name_the_line(beir, file, text, message):
    """Which file, which line, what was found, what was expected."""
    (beir / "beir" / file).write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_log("beir", {"path": "beir"}, beir)


def test_vectors_that_do_not_fit_are_refused(beir):
    """As many rows as lines, and finite numbers."""
    np.save(beir / "beir" / "corpus.npy", np.zeros((2, 4)))
    with pytest.raises(DatasetError, match=r"corpus.npy: found float64 \(2, 4\), expected"):
        load_log("beir", {"path": "beir"}, beir)


def write_vectors(path, distance, n=300, n_queries=20, dim=8, depth=14):
    """Write a data file of ann-benchmarks whose neighbours are by brute force in float64."""
    random = np.random.default_rng(11)
    items = (random.normal(size=(n, dim)) + 3).astype(np.float32)  # far from the origin
    queries = (random.normal(size=(n_queries, dim)) + 3).astype(np.float32)
    a, b = queries.astype(float)[:, None], items.astype(float)[None]
    if distance == "angular":
        lengths = np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
        distances = 1 - (a * b).sum(axis=2) / lengths
    else:
        distances = np.linalg.norm(a - b, axis=2)
    order = np.argsort(distances, axis=1)[:, :depth]
    with h5py.File(path, "w") as file:
        file["train"], file["test"], file["neighbors"] = items, queries, order
        file["distances"] = np.take_along_axis(distances, order, axis=1)
        file.attrs["distance"] = distance
    return order


@pytest.mark.parametrize("distance", ["angular", "euclidean"])
def test_the_greatest_inner_product_is_the_nearest(tmp_path, distance):
    """Exact search by inner product over the changed vectors finds the neighbours of the file.

    Hiding what a query has in its history hides none of the ten that count.
    """
    order = write_vectors(tmp_path / "v.hdf5", distance)
    log = load_log("ann_benchmarks", {"path": "v.hdf5"}, tmp_path)
    parts = split_log(log, parse_split({"kind": "given", "cold_items": "keep"}), "v")
    test = parts.test
    assert test.queries.user_ids.tolist() == list(range(20))
    vectors = test.queries.fields.columns["vector"].values
    scores = vectors @ log.item_fields.columns["vector"].values.T
    found = select_top_k(scores, 10, test.queries.hidden)
    np.testing.assert_array_equal(found.ids, order[:, :10])
    assert all(set(test.relevant.row(i)) == set(order[i, :10]) for i in range(20))
    assert test.queries.hidden.lengths.tolist() == [2] * 20


def test_vectors_as_given_are_not_touched(tmp_path):
    """For a class that computes the distance itself."""
    write_vectors(tmp_path / "v.hdf5", "euclidean")
    log = load_log("ann_benchmarks", {"path": "v.hdf5", "vectors": "as_given"}, tmp_path)
    with h5py.File(tmp_path / "v.hdf5") as file:
        np.testing.assert_array_equal(log.item_fields.columns["vector"].values, file["train"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.update(distance="hamming"), "distance 'hamming'; expected one of"),
        (lambda file: file.pop("neighbors"), "expected also neighbors"),
        (lambda file: file["neighbors"].__setitem__((0, 0), 300), r"must lie in 0\.\.299"),
    ],
)
def test_faults_of_a_data_file(tmp_path, change, message):
    """Another distance, a part that is missing, an item that is none."""
    write_vectors(tmp_path / "v.hdf5", "angular")
    with h5py.File(tmp_path / "v.hdf5", "r+") as file:
        change(file)
    with pytest.raises(DatasetError, match=message):
        load_log("ann_benchmarks", {"path": "v.hdf5"}, tmp_path)


def test_more_answers_than_neighbours_are_refused(tmp_path):
    """Two are needed beyond those that count, for the history."""
    write_vectors(tmp_path / "v.hdf5", "angular")
    with pytest.raises(DatasetError, match="relevant = 13 and two for its history need 15"):
        load_log("ann_benchmarks", {"path": "v.hdf5", "relevant": 13}, tmp_path)
    (tmp_path / "no.hdf5").write_text("text")
    with pytest.raises(DatasetError, match="cannot be read as HDF5"):
        load_log("ann_benchmarks", {"path": "no.hdf5"}, tmp_path)


def test_a_place_that_is_not_there_is_told(tmp_path):
    """Where it was looked for, and what was given; an empty path is refused before."""
    with pytest.raises(DatasetError, match=r"does not exist \(path = 'x', relative to the data"):
        load_log("recbole", {"path": "x"}, tmp_path)
    with pytest.raises(DatasetError, match="'beir': path = '' names nothing"):
        load_log("beir", {}, tmp_path)


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    """What is optional is asked for when it is needed, not before."""
    write_vectors(tmp_path / "v.hdf5", "angular")
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.delitem(sys.modules, "harness.data.ann_benchmarks", raising=False)
    with pytest.raises(DatasetError, match="needs h5py: install the extra `exchange`"):
        load_log("ann_benchmarks", {"path": "v.hdf5"}, tmp_path)
    monkeypatch.undo()
    assert importlib.import_module("harness.data.ann_benchmarks")


def test_they_are_listed_and_have_no_known_best(tmp_path, capsys):
    """`list datasets` says `by path`; `data check` and `best_possible` do not take them."""
    assert main(["list", "datasets"]) == 0
    [row] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("recbole")]
    assert row.endswith("by path")
    assert main(["data", "check", "recbole"]) == 2
    assert "is files of yours" in capsys.readouterr().err
    suite = tmp_path / "s.toml"
    suite.write_text(
        'name = "s"\nquestion = "?"\ndataset = "lightgcn"\nsplit = { kind = "given" }\n'
        'metrics = ["recall@1"]\ndataset_params = { path = "x" }\n'
        '[[case]]\nmethod = "best_possible"\n'
    )
    assert main(["plan", str(suite)]) == 2
    assert "whose best possible is not known" in capsys.readouterr().err


def test_recorded_words_give_the_same_parts(beir):
    """Data set and split of a record lead back to the parts, a path with a comma too."""
    (beir / "beir").rename(beir / "a,words=b")
    params = {"path": "a,words=b", "words": 2}
    name = dataset_id("beir", params)
    parts = split_log(load_log("beir", params, beir), parse_split(KEEP), name)
    again = load_recorded(name, parts.protocol, parts.data_hash, beir)
    assert again.data_hash == parts.data_hash
    assert again.test.relevant.ids.tolist() == parts.test.relevant.ids.tolist()


def test_recorded_words_of_every_kind_of_split():
    """All kinds, with values that are numbers, words, truth values and nothing."""
    tables = [
        {"kind": "leave_last_out", "fields": "none"},
        {"kind": "random_per_user", "deduplicate": False, "seed": 4},
        {"kind": "global_time", "cold_items": "drop", "cold_users": "drop"},
        {"kind": "held_out_users", "min_user_events": 2},
        {"kind": "per_user_temporal"},
        {"kind": "per_user_temporal", "select_on": "test"},
    ]
    params = {"n_users": 80, "n_items": 60}
    name, log = dataset_id("planted_log", params), load_log("planted_log", params)
    for table in tables:
        parts = split_log(log, parse_split({"cold_items": "drop", **table}), name)
        assert load_recorded(name, parts.protocol, parts.data_hash, None).protocol == parts.protocol


def test_catalogue_entries_have_one_way_each():
    """Drawn, real or read by path: exactly one of the three."""
    for entry in catalog.DATASETS.values():
        ways = (entry.draw, entry.source, entry.reader)
        assert sum(one is not None for one in ways) == 1, entry.name

"""Deezer's files: a small set by hand, its faults, and popularity by the published protocol."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from harness.cli import main
from harness.data.catalog import load_log
from harness.data.log import TEST, TRAIN, VALIDATION
from harness.errors import DatasetError
from harness.store.journal import read_records

SONGS = {"song_index": [7, 3, 5], "features_svd": [[0, 1], [2, 3], [4, 5]]} | {
    "features_mf": [[1]] * 3
}
USERS = {
    "train": {
        "user_index": [9, 2], "d1d30_songs": [[3, 5], [3]], "age": [30, None], "x": [0.5, 1.5],
    },
    "validation": {"user_index": [2], "d1d30_songs": [[7]], "age": [4], "x": [2.5]},
    "test": {"user_index": [8, 4], "d1d30_songs": [[5, 3], [7]], "age": [6, 5], "x": [0.0, 1.0]},
}  # fmt: skip


def write(folder, songs=SONGS, **users):
    folder.mkdir(exist_ok=True)
    parquet.write_table(pa.table(songs), folder / "song_embeddings.parquet")
    for part, table in {**USERS, **users}.items():
        path = folder / f"user_features_{part}_svd.parquet"
        parquet.write_table(pa.table(table), path)


def load(root, **params):
    return load_log("deezer", {"path": "d", **params}, root)


def test_a_small_set_by_hand(tmp_path):
    """Users 2, 9 | 2 | 4, 8 are 0 to 4, a part's never another's; songs 7, 3, 5 are 0 to 2."""
    write(tmp_path / "d")
    log = load(tmp_path)
    assert (log.n_users, log.n_items) == (5, 3)
    assert list(zip(log.user_ids.tolist(), log.item_ids.tolist(), strict=True)) == [
        (0, 1), (1, 1), (1, 2), (2, 0), (3, 0), (4, 1), (4, 2)
    ]  # fmt: skip
    assert log.part.tolist() == [TRAIN] * 3 + [VALIDATION] + [TEST] * 3
    features = log.user_fields.columns["features"].values
    assert features.dtype == np.float32
    assert features.tolist() == [[0, 1.5], [30, 0.5], [4, 2.5], [5, 1], [6, 0]]
    assert log.item_fields.columns["embedding"].values.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_the_other_vectors_have_files_of_their_own(tmp_path):
    """``mf`` reads features of that name."""
    write(tmp_path / "d")
    with pytest.raises(DatasetError, match=r"no user_features_train_mf\.parquet in"):
        load(tmp_path, embeddings="mf")
    with pytest.raises(DatasetError, match="embeddings"):
        load(tmp_path, embeddings="als")


def changed(part, **columns):
    return {part: {**USERS[part], **columns}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("test", d1d30_songs=[[5], [6]]),
         r"test_svd.parquet: row 1: song 6 in d1d30_songs; expected one of the 3 in song_emb"),
        (changed("train", user_index=[2, 2]), "row 1: user_index 2 again, as in row 0"),
        (changed("train", user_index=[2, None]), "row 1: user_index None; expected a whole number"),
        (changed("validation", age=["old"]), "column 'age' is not of numbers"),
        (changed("train", x=[0.5, float("inf")]), "row 1: x is not finite"),
        ({"validation": {"user_index": [2], "d1d30_songs": [[7]], "age": [4]}},
         "1 columns of features; expected 2, as of train"),
        ({"test": {"user_index": [2], "d1d30_song": [[7]], "age": [4], "x": [1.0]}},
         "no column 'd1d30_songs'; did you mean 'd1d30_song'"),
        ({"songs": {**SONGS, "song_index": [7, 3, 7]}}, "row 2: song_index 7 again, as in row 0"),
        ({"songs": {**SONGS, "features_svd": [[0, 1], [2], [4, 5]]}},
         "row 1: 1 numbers; expected vectors of one length"),
        ({"songs": {**SONGS, "features_svd": [[0, 1], [2, 3], [4, None]]}},
         "row 2: a number that is missing or not finite"),
    ],
)  # fmt: skip
def test_faults_name_file_and_row(tmp_path, change, message):
    write(tmp_path / "d", **change)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    write(tmp_path / "d")
    (tmp_path / "d" / "song_embeddings.parquet").write_text("no")
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        load(tmp_path)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    write(tmp_path / "d")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "harness.data.deezer", raising=False)
    with pytest.raises(DatasetError, match=r"needs pyarrow.*: install the extra `exchange`"):
        load(tmp_path)


def test_popularity_by_the_protocol_of_the_paper(tmp_path):
    """Song 3 has two listeners in training and validation, 5 and 7 have one.

    User 4 heard 7, user 8 heard 3 and 5. Of one song, 3: precision and recall are 0 and, by the
    smaller of one and its answers, 1 and 1/2. Nothing is hidden; users without a history are asked.
    """
    write(tmp_path / "d")
    suite = tmp_path / "s.toml"
    suite.write_text(
        'name = "known_answers_deezer"\nquestion = "?"\ndataset = "deezer"\n'
        'dataset_params = { path = "d" }\nmetrics = ["precision_capped@1", "recall@1", "ndcg@1"]\n'
        'split = { kind = "given", cold_users = "keep", cold_items = "keep", hide_seen = false }\n'
        'load = [{ kind = "single_stream", queries = 2 }]\n[[case]]\nmethod = "popularity"\n'
    )
    out = tmp_path / "out"
    assert main(["run", str(suite), "--data-root", str(tmp_path), "--out", str(out)]) == 0
    [record] = read_records(out)
    assert record.metrics == pytest.approx(
        {"precision_capped@1": 0.5, "recall@1": 0.25, "ndcg@1": 0.5}
    )

"""`matchbench export`: the program that a format is for reads it, and agrees with the records."""

import csv
import json

import asv.benchmarks
import asv.config
import asv.results
import fastparquet
import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import ranx
from asv_folder import asv_config

from harness.arguments.comparing import EXPORTS
from harness.cli import main
from harness.commands.export import FORMATS
from harness.data.catalog import load_log
from harness.data.splits import hash_of_data
from harness.exchange.action_benchmark import FILES
from harness.exchange.ann_csv import COLUMNS
from harness.exchange.ann_results import read_result
from harness.exchange.point import points_of
from harness.exchange.table_file import flat_frame

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def read_by_fastparquet(path):
    with path.open("rb") as file:
        return fastparquet.ParquetFile(file).to_pandas()


def read_by_pyarrow(path):
    return pyarrow.parquet.read_table(path).to_pandas(ignore_metadata=True)


def export(run, form, path, *more):
    assert main(["export", str(run.folder), "--to", form, "-o", str(path), *more]) == 0
    return path


def test_the_formats_of_the_command_line_are_those_there_are():
    """What --help offers is what can be written."""
    assert set(EXPORTS) == set(FORMATS)


def test_failed_records_are_left_out_and_told(run, tmp_path, capsys):
    """Of all formats but parquet, where the failed row stays with its reason."""
    export(run, "beir", tmp_path / "b")
    assert "left out 1 of 3 records: broken (failed)" in capsys.readouterr().err
    export(run, "parquet", tmp_path / "p.parquet")
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert frame["reason"].tolist()[2] == "killed by 9"


@pytest.mark.slow  # ranx compiles each of its metrics first
@pytest.mark.filterwarnings("ignore")  # of ranx: files left open, first compiling
def test_ranx_reads_run_and_qrels(run, tmp_path):
    """Its own evaluation of the files gives our values, of lists with ties and of short ones."""
    folder = export(run, "ranx", tmp_path)
    judged = ranx.Qrels.from_file(str(folder / "qrels.json"), kind="json")
    for record in run.records:
        found = ranx.Run.from_file(str(folder / f"{record.case}.run.json"), kind="json")
        values = ranx.evaluate(judged, found, ["ndcg@10", "mrr@10"], make_comparable=True)
        for name, value in values.items():
            assert value == pytest.approx(record.metrics[name], abs=1e-9), name


def test_the_json_of_ranx_is_query_to_document_to_score(run, tmp_path):
    """Order by falling score is our order, ties among them; relevant items have grade 1."""
    folder = export(run, "ranx", tmp_path)
    relevant, lists = run.parts.test.relevant, run.lists["tied"]
    found = json.loads((folder / "tied.run.json").read_text())
    judged = json.loads((folder / "qrels.json").read_text())
    for row, user in enumerate(lists.user_ids.tolist()):
        scores = found[str(user)]
        best = sorted(scores, key=scores.get, reverse=True)
        assert best == [str(one) for one in lists.answers.ids[row].tolist()]
        assert len(set(scores.values())) == len(scores)
        assert judged[str(user)] == {str(one): 1 for one in relevant.row(row).tolist()}


def test_figures_under_the_names_of_beir_and_mteb(run, tmp_path):
    """BEIR: a table for each measure; MTEB: one entry of `test`, ndcg_at_10 its main score."""
    folder = export(run, "beir", tmp_path)
    metrics = run.records[0].metrics
    beir = json.loads((folder / "tied.beir.json").read_text())
    assert beir["ndcg"] == {"NDCG@5": metrics["ndcg@5"], "NDCG@10": metrics["ndcg@10"]}
    assert beir["precision"] == {"P@5": metrics["precision@5"]}
    assert beir["mrr"] == {"MRR@10": metrics["mrr@10"]}
    [result, meta] = sorted((folder / "mteb").rglob("matchbench__tied/*/*.json"), key=is_meta)
    place = ("results", "matchbench__tied", run.records[0].commit)
    assert result.parent == meta.parent == folder.joinpath("mteb", *place)
    told = json.loads(meta.read_text())
    assert told == {"name": "matchbench/tied", "revision": run.records[0].commit}
    table = json.loads(result.read_text())
    assert table["task_name"] == result.stem
    assert table["dataset_revision"] == run.records[0].data_hash
    assert set(table) >= {"mteb_version", "evaluation_time"}  # without: a file of before 1.11
    [entry] = table["scores"]["test"]
    assert entry["main_score"] == entry["ndcg_at_10"] == metrics["ndcg@10"]
    assert (entry["hf_subset"], entry["languages"]) == ("default", ["zxx-Zxxx"])


def is_meta(path):
    return path.name == "model_meta.json"


def test_mteb_loads_the_results(run, tmp_path):
    """Its own cache finds both models and reads our NDCG@10 as their score."""
    mteb = pytest.importorskip("mteb")
    folder = export(run, "beir", tmp_path)
    found = mteb.ResultCache(folder / "mteb").load_results(validate_and_filter=False)
    scores = {one.model_name: one.task_results[0].get_score() for one in found.model_results}
    assert scores == {f"matchbench/{one.case}": one.metrics["ndcg@10"] for one in run.records}


def test_a_point_without_ndcg_10_is_no_result_of_mteb(run, tmp_path, capsys):
    """No other metric stands in for the main score: the file is left out, the reason told."""
    record = json.loads(run.records[0].to_json())
    record["metrics"] = {"ndcg@5": 0.5, "recall@10": 0.25}
    (tmp_path / "records.jsonl").write_text(json.dumps(record) + "\n")
    assert main(["export", str(tmp_path), "--to", "beir", "-o", str(tmp_path / "out")]) == 0
    message = "has no ndcg@10, the main score of MTEB; it has ndcg@5, recall@10"
    assert message in capsys.readouterr().err
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["tied.beir.json"]


def test_a_result_file_of_ann_benchmarks(run, tmp_path):
    """h5py finds what ann-benchmarks reads: lists, falling nearness, times, attributes."""
    export(run, "ann-benchmarks", tmp_path)
    path = tmp_path / "planted_log" / "10" / "clear" / "clear.hdf5"
    answers = run.lists["clear"].answers
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["neighbors"], answers.ids)
        np.testing.assert_array_equal(file["distances"], -answers.scores)
        assert np.isinf(file["distances"][3, 4:]).all()
        assert file["times"].shape == (2 * len(answers),)
        assert file["times_rows"][len(answers)] == 0
        facts = dict(file.attrs)
    record = run.records[1]
    assert facts["best_search_time"] == 1 / record.qps
    assert facts["build_time"] == record.fit_s + record.build_s
    assert facts["index_size"] == record.index_bytes / 1024
    assert (facts["count"], facts["algo"], facts["run_count"]) == (10, "clear", 1)
    assert not facts["batch_mode"]
    again = read_result(path)
    np.testing.assert_array_equal(again.neighbors, answers.ids)
    assert again.facts["name"] == "clear"


def test_the_rate_of_arrivals_is_nobody_s_qps(run, tmp_path, capsys):
    """A server load of 200/s has its latencies in every format, its QPS in none, and it is told.

    Of the load without a fixed rate the 1,000 QPS stay.
    """
    first = json.loads(run.records[0].to_json())
    server = {"kind": "server", "queries": 200, "batch": 1, "rate": 200.0}
    lines = [first, {**first, "load": server, "qps": 224.0}]
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "records.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (folder / "per_query").symlink_to(run.folder / "per_query")
    told = "1 records under server(200/s): the rate is the load's own"

    def out(form, name):
        assert main(["export", str(folder), "--to", form, "-o", str(tmp_path / name)]) == 0
        assert told in capsys.readouterr().err
        return tmp_path / name

    with out("ann-benchmarks-csv", "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [one["qps"] for one in rows] == ["1000.0", ""]
    assert [one["queriessize"] for one in rows] == ["0.002", ""]
    assert rows[1]["p50"] == rows[0]["p50"] != ""
    names = [one.name for one in out("ann-benchmarks", "hdf5").rglob("*.hdf5")]
    assert names == [f"tied+{first['load']['kind']}.hdf5"]
    entries = json.loads((out("github-action-benchmark", "g") / FILES["higher"]).read_text())
    rates = [one["name"] for one in entries if one["name"].endswith("/qps")]
    assert rates == [f"quickstart/tied/{first['load']['kind']}/qps"]
    known = asv.benchmarks.Benchmarks.load(asv_config(out("asv", "asv")))
    points = {name.rpartition("track_")[2]: one["params"][0] for name, one in known.items()}
    assert not any("server" in one for one in points["query_s"])
    assert any("server" in one for one in points["latency_p50_s"])


def test_the_csv_of_ann_benchmarks(run, tmp_path):
    """Its columns in its order; milliseconds and kilobytes; what was not measured is empty."""
    export(run, "ann-benchmarks-csv", tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        header, first, second = csv.reader(file)
    assert tuple(header) == COLUMNS
    row = dict(zip(header, first, strict=True))
    assert float(row["p50"]) == 1000 * run.records[0].latency_p50_s
    assert float(row["indexsize"]) == 2.0
    assert float(row["queriessize"]) == 2.0 / 1000.0
    assert row["k-nn"] == row["epsilon"] == ""
    assert float(row["distcomps"]) == 500 / len(run.parts.test)
    assert second[0] == "clear"


def test_two_files_for_the_action_one_for_each_direction(run, tmp_path):
    """Recall and QPS are better bigger, seconds and bytes smaller; no name is in both."""
    export(run, "github-action-benchmark", tmp_path)
    bigger, smaller = (
        {
            one["name"]: one
            for one in json.loads((tmp_path / f"custom{way}IsBetter.json").read_text())
        }
        for way in ("Bigger", "Smaller")
    )
    assert not bigger.keys() & smaller.keys()
    assert bigger["quickstart/tied/qps"] | {"extra": ""} == {
        "name": "quickstart/tied/qps", "unit": "queries/s", "value": 1000.0, "extra": ""
    }  # fmt: skip
    assert bigger["quickstart/tied/recall@10"]["range"] == "± 0.01"
    assert smaller["quickstart/tied/index_bytes"]["value"] == 2048
    assert smaller["quickstart/clear/latency_p50_s"]["unit"] == "seconds"
    assert "--methods popularity" in bigger["quickstart/tied/qps"]["extra"]


@pytest.mark.parametrize("read", [pd.read_parquet, read_by_fastparquet, read_by_pyarrow])
def test_parquet_comes_back(run, tmp_path, read):
    """Independent readers give every number of every record, and each column is of one type."""
    export(run, "parquet", tmp_path / "r.parquet")
    frame = read(tmp_path / "r.parquet")
    assert frame["case"].tolist() == ["tied", "clear", "broken"]
    assert frame["recall@10"].tolist()[:2] == [one.metrics["recall@10"] for one in run.records]
    assert frame["search.nprobe"].tolist()[1] == 4
    assert frame["index_bytes"].tolist()[0] == 2048
    assert json.loads(frame["warnings"].tolist()[0]) == list(run.records[0].warnings)
    assert frame["machine.cores"].tolist() == [2, 2, 2]


def test_a_parameter_of_two_kinds_becomes_text(run, record_of):
    """`dim` is 4 here and "full" there: one column of JSON, not an error of the writer."""
    frame = flat_frame([record_of("a", build={"dim": 4}), record_of("b", build={"dim": "full"})])
    assert frame["build.dim"].tolist() == ["4", '"full"']


def test_names_hold_what_tells_points_apart(record_of):
    """Only parameters that differ within a case; a file's name has no blank and no slash."""
    records = [
        record_of("a b/c", search={"nprobe": 1, "x": 2}),
        record_of("a b/c", search={"nprobe": 4, "x": 2}),
        record_of("d", seed=1, repeat=0),
        record_of("d", seed=1, repeat=1),
    ]
    points = points_of(records)
    assert [one.name for one in points] == [
        "a_b_c+nprobe=1", "a_b_c+nprobe=4", "d+repeat=0", "d+repeat=1"
    ]  # fmt: skip
    assert [one.series for one in points][2:] == ["d", "d"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_hash": "0" * 64}, "the data are not those of the records"),
        ({"dataset": "planted_logs(x=1)"}, "unknown data set 'planted_logs'"),
        ({"split": "elsewhere"}, "names no split of planted_log"),
        ({"dataset": "planted_log(n_users=1)"}, "is not planted_log(n_users=...,"),
    ],
)
def test_lists_are_exported_only_with_their_own_data(run, tmp_path, capsys, changes, message):
    """Other data, an unknown set or words that name none: refused, never guessed."""
    record = json.loads(run.records[0].to_json()) | changes
    (tmp_path / "records.jsonl").write_text(json.dumps(record) + "\n")
    assert main(["export", str(tmp_path), "--to", "trec", "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_records_older_than_a_key_of_splits_are_exported(run, tmp_path, capsys):
    """Without `fields`, as schema 3 wrote splits: the same qrels and run as with it, and told."""
    new = export(run, "trec", tmp_path / "new")
    assert "older than" not in capsys.readouterr().err
    record = json.loads(run.records[0].to_json()) | {"schema": 3}
    assert ",fields=all," in record["split"]
    record["split"] = record["split"].replace(",fields=all", "")
    record["data_hash"] = hash_of_data(
        load_log("planted_log", {"n_users": 60, "n_items": 80}), record["split"]
    )
    assert record["data_hash"] != run.parts.data_hash  # the line of the split is part of it
    (tmp_path / "records.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "per_query").symlink_to(run.folder / "per_query")
    path = tmp_path / "old"
    assert main(["export", str(tmp_path), "--to", "trec", "-o", str(path)]) == 0
    assert "older than the key 'fields' of splits; taken as 'all'" in capsys.readouterr().err
    for name in ("qrels.txt", "tied.run"):
        assert (path / name).read_text() == (new / name).read_text()


def test_faults_of_an_export_are_one_message(run, tmp_path, capsys):
    """No such case; a per-query file that is gone; a place that cannot be written."""
    command = ["export", str(run.folder), "--to", "trec", "-o"]
    assert main([*command, str(tmp_path), "--cases", "zzz"]) == 2
    assert "holds no records of cases 'zzz'" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main([*command, str(tmp_path / "file" / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    (tmp_path / "records.jsonl").write_text(run.records[0].to_json() + "\n")
    assert main(["export", str(tmp_path), "--to", "ranx", "-o", str(tmp_path / "o")]) == 2
    assert "tied.npz: cannot be read" in capsys.readouterr().err

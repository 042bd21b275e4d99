"""`matchbench export --to asv`: asv's own loaders read the history, and agree with the records."""

import dataclasses
import json

import asv.benchmarks
import asv.results
import pytest
from asv_folder import asv_config

from harness.cli import main
from harness.errors import ExchangeError
from harness.exchange.asv_history import benchmark_name, write_asv
from harness.exchange.measures import measures_of
from harness.exchange.point import points_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_asv_reads_the_history(run, tmp_path):
    """The loaders of asv take the folder; values are turned so that larger is worse."""
    assert main(["export", str(run.folder), "--to", "asv", "-o", str(tmp_path)]) == 0
    known = asv.benchmarks.Benchmarks.load(asv_config(tmp_path))
    [result] = list(asv.results.iter_results(str(tmp_path)))
    assert result.commit_hash == run.records[0].commit
    assert set(result.get_all_result_keys()) == set(known)
    prefix = "records.quickstart.track_"
    params = known[f"{prefix}missed_recall_10"]["params"]
    assert params == [["'tied'", "'clear'"]]
    [tied, clear] = result.get_result_value(f"{prefix}missed_recall_10", params)
    assert tied == pytest.approx(1 - run.records[0].metrics["recall@10"])
    assert clear == pytest.approx(1 - run.records[1].metrics["recall@10"])
    assert result.get_result_value(f"{prefix}query_s", params)[0] == 0.001
    assert result.get_result_value(f"{prefix}index_bytes", params)[0] == 2048
    assert known[f"{prefix}query_s"]["unit"] == "seconds"


def test_repeats_become_samples_that_asv_keeps(run, tmp_path, record_of):
    """Of QPS 100, 50 and 200 asv shows the median 0.01 s, and has all three samples."""
    same = {"commit": run.records[0].commit, "started_at": "2026-01-01T00:00:00+00:00"}
    repeats = [
        record_of("a", repeat=n, qps=qps, **same)
        for n, qps in enumerate((100.0, 50.0, 200.0))
    ]  # fmt: skip
    measures = measures_of(points_of(repeats))
    write_asv(tmp_path, measures, lambda _: 1_700_000_000)
    [result] = list(asv.results.iter_results(str(tmp_path)))
    [name] = [benchmark_name(one) for one in measures if one.name == "qps"]
    params = [["'a'"]]
    assert result.get_result_value(name, params) == [0.01]
    assert result.get_result_samples(name, params) == [[0.01, 0.02, 0.005]]
    assert result.date == 1_700_000_000_000
    write_asv(tmp_path, measures, lambda _: 1_700_000_000)  # again: the folder stays readable
    assert len(asv.benchmarks.Benchmarks.load(asv_config(tmp_path))) == len(measures)


def test_two_suites_of_one_revision_stand_in_one_history(tmp_path, record_of):
    """Suite one at 100 QPS, then two at 50: asv reads both, and one anew, at 200, replaces its own.

    The folder is one file of results, as revision, machine and Python are the same.
    """
    common = {"commit": COMMIT, "started_at": "2026-01-01T00:00:00+00:00"}
    names = {}
    for suite, qps in (("one", 100.0), ("two", 50.0), ("one", 200.0)):
        measures = measures_of(points_of([record_of("a", suite=suite, qps=qps, **common)]))
        write_asv(tmp_path, measures, lambda _: 1_700_000_000)
        names[suite] = next(benchmark_name(one) for one in measures if one.name == "qps")
    [result] = list(asv.results.iter_results(str(tmp_path)))
    known = asv.benchmarks.Benchmarks.load(asv_config(tmp_path))
    assert set(result.get_all_result_keys()) == set(known) >= set(names.values())
    params = [["'a'"]]
    assert result.get_result_value(names["one"], params) == [0.005]
    assert result.get_result_value(names["two"], params) == [0.02]


def test_records_of_uncommitted_code_are_no_part_of_a_history(run, tmp_path, capsys):
    """Of two cases the one with +dirty is left out and named; both dirty leave nothing to write."""
    lines = [json.loads(one.to_json()) for one in run.records[:2]]
    lines[0]["commit"] += "+dirty"
    records = tmp_path / "records.jsonl"
    records.write_text("".join(json.dumps(one) + "\n" for one in lines))
    command = ["export", str(tmp_path), "--to", "asv", "-o", str(tmp_path / "asv")]
    assert main(command) == 0
    assert "left out 1 records of uncommitted code: tied" in capsys.readouterr().err
    params = asv.benchmarks.Benchmarks.load(asv_config(tmp_path / "asv")).popitem()[1]["params"]
    assert params == [["'clear'"]]
    lines[1]["commit"] += "+dirty"
    records.write_text("".join(json.dumps(one) + "\n" for one in lines))
    assert main(command) == 2
    assert "every record is of uncommitted code" in capsys.readouterr().err
    changed = dataclasses.replace(run.records[1], commit=COMMIT + "+dirty")
    with pytest.raises(ExchangeError, match=r"\+dirty', expected a git revision"):
        write_asv(tmp_path, measures_of(points_of([changed])), lambda _: 0)


def test_a_file_of_results_that_asv_did_not_write_is_not_replaced(tmp_path, record_of):
    """Neither JSON cut short nor other columns are merged with: the export names the file."""
    fields = {"commit": COMMIT, "started_at": "2026-01-01T00:00:00+00:00"}
    measures = measures_of(points_of([record_of("a", **fields)]))
    *_, path = write_asv(tmp_path, measures, lambda _: 1_700_000_000)
    other = {**json.loads(path.read_text()), "result_columns": ["result"]}
    for text, message in (("{", "is not JSON"), (json.dumps(other), "holds other columns")):
        path.write_text(text)
        with pytest.raises(ExchangeError, match=message):
            write_asv(tmp_path, measures, lambda _: 1_700_000_000)
        assert path.read_text() == text

"""`matchbench report` and `matchbench figure` on folders: what they write, and what they refuse."""

import html
import json
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from harness.commands.report import Latencies
from harness.compare.points import Run
from harness.store.journal import read_records

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-4.json"
N_QUERIES = 100


@pytest.fixture
def run(tmp_path):
    """Return a folder: two cases under two loads, 70 and 80 queries timed, and a failure."""
    folder, lines = tmp_path / "run", []
    (folder / "per_query").mkdir(parents=True)
    golden, random = json.loads(GOLDEN.read_text()), np.random.default_rng(0)
    for case, mean in (("a", 0.3), ("b", 0.6)):
        values, name = random.uniform(mean - 0.2, mean + 0.2, N_QUERIES), f"per_query/{case}.npz"
        arrays = {"metrics/recall@10": values, "latency_s/0": np.full(70, mean / 1e3),
                  "latency_s/1": np.full(80, mean / 1e2)}  # fmt: skip
        np.savez(folder / name, user_ids=np.arange(N_QUERIES), **arrays)
        changes = {"case": case, "trial_id": case, "attempt": case, "per_query": name,
                   "status": "ok", "metrics": {"recall@10": values.mean()},
                   "metrics_ci": {"recall@10": [mean - 0.01, mean + 0.01]}}  # fmt: skip
        lines += [
            json.dumps({**golden, **changes, "load": {"kind": kind}, "n_timed": n})
            for kind, n in (("single_stream", 70), ("server", 80))
        ]
    failed = {"case": "broken", "trial_id": "x", "status": "failed", "reason": "killed by 9"}
    lines.append(json.dumps({**golden, **failed, "metrics": {}, "metrics_ci": {}, "load": {}}))
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_a_page_is_written_beside_the_records_or_where_asked(run, tmp_path, capsys):
    """The file is whole and says its size; records and files stay as they were."""
    before = {one: one.read_bytes() for one in run.rglob("*") if one.is_file()}
    assert main(["report", str(run)]) == 0
    assert main(["report", str(run), "-o", str(tmp_path / "new" / "page.html")]) == 0
    assert capsys.readouterr().out.count(" kB\n") == 2
    page = (run / "report.html").read_text()
    assert page == (tmp_path / "new" / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "killed by 9" in page
    assert all(one.read_bytes() == content for one, content in before.items())


def test_published_figures_stand_in_the_ranking(run, tmp_path):
    """A figure of the same data set is a row, marked as not run here, with its source."""
    dataset = read_records(run)[0].dataset.partition("(")[0]
    figures, page = tmp_path / "published.toml", tmp_path / "page.html"
    figures.write_text(
        f'[[figure]]\nmethod = "Other"\nsource = "a paper"\ndataset = "{dataset}"\n'
        'metrics = { "recall@10" = 0.7 }\n'
    )
    assert main(["report", str(run), "-o", str(page), "--published", str(figures)]) == 0
    ranking = page.read_text().partition('id="ranking"')[2].partition("</section>")[0]
    assert "not run here: a paper" in ranking
    assert "0.7000" in ranking


def test_times_are_those_of_the_record_s_own_load(run):
    """Loads have numbers in the order of the suite; a file with another count is not believed."""
    records = read_records(run)
    found = Latencies([run] * len(records), Run("run", records, lambda record: None))
    assert found.read(records[0]).tolist() == [0.0003] * 70
    assert found.read(records[1]).tolist() == [0.003] * 80
    assert found.read(records[3]).size == 80
    assert found.read(records[4]) is None
    lone = Latencies([run], Run("run", records[1:2], lambda record: None))
    assert lone.read(records[1]) is None


def test_figures_are_written_with_captions(run, tmp_path, capsys):
    """A file for each chart asked for, and beside it the protocol it was measured by."""
    out = tmp_path / "figures"
    command = ["figure", str(run), "-o", str(out), "--figure", "frontier-*", "latency-1"]
    assert main(command) == 0
    names = {one.name for one in out.iterdir()}
    assert {"frontier-1-qps.svg", "frontier-1-qps.txt", "latency-1.svg"} <= names
    assert not any(one.startswith(("memory", "latency-2")) for one in names)
    assert (out / "frontier-1-qps.svg").read_text().startswith("<svg")
    caption = (out / "frontier-1-qps.txt").read_text()
    assert "machine:" in caption
    assert "threads:" in caption
    assert "commit" in caption
    assert main([*command, "--format", "png", "--width", "144"]) == 0
    data = (out / "latency-1.png").read_bytes()
    assert int.from_bytes(data[16:20], "big") == 600
    assert str(out / "latency-1.png") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["report", "{run}", "--metric", "recal@10"], "did you mean 'recall@10'"),
        (["report", "nowhere"], "nowhere/records.jsonl: no such file"),
        (["report", "{run}", "-o", "{run}"], "cannot be written: Is a directory"),
        (["figure", "{run}", "--figure", "frontier-1-qqs"], "did you mean 'frontier-1-qps'"),
        (["figure", "{run}", "--width", "9"], "--width 9 must lie between 120 and 2000"),
    ],
)
def test_faults_are_one_message(run, capsys, command, message):
    """A wrong name, place or width ends with status 2 and says what is near."""
    assert main([one.format(run=run) for one in command]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("schema", [1, 2, 3, 4])
def test_records_of_every_schema_make_a_page(tmp_path, schema):
    """What an earlier program wrote is shown as far as it goes, with its command."""
    golden = json.loads(GOLDEN.with_name(f"record-schema-{schema}.json").read_text())
    (tmp_path / "records.jsonl").write_text(json.dumps(golden) + "\n")
    if golden["per_query"] is not None:
        file = tmp_path / golden["per_query"]
        file.parent.mkdir(exist_ok=True)
        arrays = {f"metrics/{name}": np.full(9, one) for name, one in golden["metrics"].items()}
        np.savez(file, user_ids=np.arange(9), **arrays)
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert html.escape(golden["replay"]) in page
    assert f">{golden['case']}</th>" in page


def test_records_of_failures_alone_are_refused(tmp_path, capsys):
    """Nothing was measured: no metric, which is said."""
    golden = json.loads(GOLDEN.read_text())
    failed = {"status": "failed", "reason": "x", "metrics": {}, "metrics_ci": {}}
    (tmp_path / "records.jsonl").write_text(json.dumps({**golden, **failed}) + "\n")
    assert main(["report", str(tmp_path)]) == 2
    assert "no record holds a metric" in capsys.readouterr().err

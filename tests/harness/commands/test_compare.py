"""`matchbench compare` on folders: every view and format, faults as one message, in time."""

import io
import itertools
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.arguments.comparing import FORMS
from harness.cli import main

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-3.json"
N_QUERIES = 1_000


def write_run(folder, n_cases=3, n_settings=1, n_loads=1, n_repeats=1, n_seeds=1):
    """Write a run whose case c<i> has a mean of about 0.5 + 0.01 i; return the records."""
    (folder / "per_query").mkdir(parents=True)
    golden, random = json.loads(GOLDEN.read_text()), np.random.default_rng(0)
    common, lines = random.uniform(0.2, 0.7, N_QUERIES), []
    axes = [range(n) for n in (n_cases, n_settings, n_seeds, n_repeats)]
    for case, setting, seed, repeat in itertools.product(*axes):
        values = common + random.normal(0.01 * case, 0.05, N_QUERIES)
        trial = f"{case}-{setting}-{seed}-{repeat}"
        name = f"per_query/{trial}.npz"
        arrays = {"metrics/recall@10": values, "metrics/ndcg@10": values**2}
        np.savez_compressed(folder / name, user_ids=np.arange(N_QUERIES), **arrays)
        changes = {
            "case": f"c{case}", "search": {"nprobe": setting}, "repeat": repeat, "seed": seed,
            "trial_id": trial, "per_query": name, "status": "ok",
            "metrics": {"recall@10": values.mean(), "ndcg@10": (values**2).mean()},
            "metrics_ci": {}, "qps": 100.0 * (case + 1) + repeat, "index_bytes": 10 + case,
        }  # fmt: skip
        loads = [{"kind": "batch", "batch": 2**n} for n in range(n_loads)]
        lines += [json.dumps({**golden, **changes, "load": one}) for one in loads]
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")
    return lines


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path / "run")
    with (tmp_path / "run" / "records.jsonl").open("a") as file:
        failed = {"case": "broken", "trial_id": "x", "status": "failed", "reason": "killed by 9"}
        file.write(json.dumps({**json.loads(GOLDEN.read_text()), **failed, "metrics": {}}) + "\n")
    return tmp_path / "run"


@pytest.mark.parametrize("view", ["main", "quality", "speed", "frontier"])
@pytest.mark.parametrize("form", FORMS)
def test_every_view_in_every_format_keeps_failed_rows(run, capsys, view, form):
    """All cases are there, the failed one with its reason."""
    assert main(["compare", str(run), "--view", view, "--format", form]) == 0
    text = capsys.readouterr().out
    assert all(case in text for case in ("c1", "c2", "broken"))
    assert "killed by 9" in text


def table_of(capsys, *words):
    """Return what a command prints as CSV, read by pandas."""
    assert main(["compare", *map(str, words), "--format", "csv"]) == 0
    return pd.read_csv(io.StringIO(capsys.readouterr().out))


def test_csv_of_the_main_view_is_one_table(run, capsys):
    """4 cases x 2 metrics are 8 rows of quality; c1 and c2 have 2 of speed, what failed has 1.

    Speed has a row of what no load changes, then one for each load: 200 and 300 QPS to 100.
    """
    found = table_of(capsys, run)
    assert found["table"].tolist() == ["quality"] * 8 + ["speed"] * 5
    places = found[found["case"] != "broken"][["device", "threads", "profile", "k", "baseline"]]
    assert places.drop_duplicates().to_numpy().tolist() == [["cpu", 1, "ci", 10, "c0"]]
    timed = found[found["qps"].notna()].set_index(["case", "scenario"])["qps"]
    expected = {("c1", "batch(1)"): 2.0, ("c2", "batch(1)"): 3.0}
    assert timed.to_dict() == pytest.approx(expected)


def test_csv_of_the_frontier_is_one_table_of_all_planes(tmp_path, capsys):
    """Two loads are two planes of 3 points, a budget by rate in both, by bytes in the first.

    Each row says where: plane, scenario, device, threads, k and metric.
    """
    write_run(tmp_path / "run", n_loads=2)
    timed_without(tmp_path / "run", "latency_p99_s")
    words = ["--quality-at", "0.4", "--memory-mb", "1"]
    found = table_of(capsys, tmp_path / "run", "--view", "frontier", *words)
    counts = found.groupby(["plane", "table", "scenario"]).size().to_dict()
    assert counts == {
        (1, "points", "batch(1)"): 3, (1, "budgets", "batch(1)"): 6,
        (2, "points", "batch(2)"): 3, (2, "budgets", "batch(2)"): 3,
    }  # fmt: skip
    shared = found[["device", "threads", "profile", "k", "metric"]].drop_duplicates()
    assert shared.to_numpy().tolist() == [["cpu", 1, "ci", 10, "recall@10"]]
    budgets = found[found["table"] == "budgets"].set_index(["plane", "kind", "case"])
    assert budgets["value"][2, "quality", "c2"] == pytest.approx(300.0)
    assert budgets["bound"][1, "bytes", "c0"] == pytest.approx(1e6)


def test_csv_of_one_point_is_a_table_without_rows(tmp_path, capsys):
    """The baseline alone is compared with nothing, and pandas still reads the columns."""
    write_run(tmp_path / "run", n_cases=1)
    found = table_of(capsys, tmp_path / "run", "--view", "speed")
    assert found.empty
    assert {"case", "scenario", "qps"} <= set(found.columns)


def test_csv_says_elsewhere_what_was_not_joined(parts, capsys):
    """A table has no line for it: it stands on standard error."""
    assert main(["compare", *parts, "--format", "csv"]) == 0
    told = capsys.readouterr()
    assert "not joined" in told.err
    assert "not joined" not in told.out


def test_a_row_says_difference_interval_marks_and_counts(run, capsys):
    """A shift of 0.02 with SD 0.07 over 1,000 queries is 9 standard errors: three stars."""
    assert main(["compare", str(run), "--view", "quality", "--metric", "recall@10"]) == 0
    text = capsys.readouterr().out
    [row] = [line for line in text.splitlines() if line.startswith("c2")]
    assert "*** [+0.0" in row
    assert row.rstrip().endswith("better")
    assert "ndcg" not in text.partition("metric")[2]
    assert "over the 2 tested cells" in text
    assert "baseline: c0" in text


def test_a_folder_compared_with_itself_is_identical(run, capsys):
    """No cell differs between a run and itself."""
    assert main(["compare", str(run), str(run), "--view", "quality", "--format", "csv"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert sum(",identical," in one for one in rows) == 6
    assert sum(",failed," in one for one in rows) == 1


@pytest.fixture
def means(tmp_path):
    """Return a folder of records alone: three seeds of a and b, .1 apart by .10, .11 and .12."""
    folder, golden = tmp_path / "means", json.loads(GOLDEN.read_text())
    folder.mkdir()
    lines = [
        {**golden, "case": case, "seed": seed, "trial_id": f"{case}{seed}", "qps": 100.0 * (1 + n),
         "metrics": {"recall@10": 0.5 + n * (0.1 + seed / 100)}, "metrics_ci": {}, "search": {},
         "per_query": f"per_query/{case}{seed}.npz", "status": "ok", "index_bytes": 10 + n}
        for n, case in enumerate("ab") for seed in (0, 1, 2)
    ]  # fmt: skip
    (folder / "records.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return folder


def test_without_values_per_query_means_and_ratios_are_still_told(means, capsys):
    """Rows are refused one by one; the difference .11, its t-interval over seeds and ratios stay.

    By hand: sd .01, t(2) 4.3027, so .11 -+ .0248.
    """
    assert main(["compare", str(means)]) == 0
    text = capsys.readouterr().out
    row, speed, *_ = (x for x in text.splitlines() if x.startswith("b "))
    assert "+0.1100" in row
    assert "[+0.0852, +0.1348]" in row
    assert "refused: values per query were not kept" in row
    assert "*" not in row
    assert "1.1" in speed
    assert main(["compare", str(means), "--view", "frontier", "--memory-mb", "0.000011"]) == 0
    assert "undecided: b and a: values per query were not kept" in capsys.readouterr().out
    assert main(["report", str(means)]) == 0
    assert "values per query were not kept" in (means / "report.html").read_text()


def test_a_damaged_file_of_values_is_still_a_fault(run, capsys):
    """What lies there and cannot be read is named, not passed over."""
    next((run / "per_query").iterdir()).write_bytes(b"no archive")
    assert main(["compare", str(run)]) == 2
    assert "is no file of per-query values" in capsys.readouterr().err


def test_published_figures_stand_below(run, capsys, tmp_path):
    """A figure of the same data set is a row, marked as not run here, with its source."""
    dataset = json.loads((run / "records.jsonl").read_text().splitlines()[0])["dataset"]
    path = tmp_path / "published.toml"
    path.write_text(
        f'[[figure]]\nmethod = "Other"\nsource = "a paper"\n'
        f'dataset = "{dataset.partition("(")[0]}"\nmetrics = {{ "recall@10" = 0.7 }}\n'
    )
    command = ["compare", str(run), "--view", "quality", "--published", str(path)]
    assert main(command) == 0
    [row] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("Other")]
    assert "not run here: a paper" in row
    assert "0.7000" in row


def test_budgets_of_the_command_line(run, capsys):
    """At 11 bytes c1 leads c0 on every query taken together; 0.00001 MB are 10 bytes."""
    command = ["compare", str(run), "--view", "frontier", "--memory-mb", "0.000011", "0.00001"]
    assert main([*command, "--quality-at", "0.4"]) == 0
    rows = [x for x in capsys.readouterr().out.splitlines() if x.startswith("index MB <=")]
    assert [row.split()[-1] for row in rows] == ["c1", "c0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--baseline", "c9"], "no case 'c9'"),
        (["--metric", "recal@10"], "did you mean 'recall@10'"),
        (["--view", "frontier", "--p99-ms", "0"], "must be above 0"),
        (["--published", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["--view", "published"], "--view published needs --published FILE"),
        (["--view", "frontier", "--quality-at", "2"], "2 must be above 0 and at most 1, as rec"),
        (["--view", "frontier", "--quality-at", "nan"], "--quality-at nan must be above 0 and at"),
        (["--view", "frontier", "--memory-mb", "-1"], "--memory-mb -1 must be above 0 and finite"),
        (["--view", "frontier", "--p95-ms", "inf"], "--p95-ms inf must be above 0 and finite"),
        (["--p99-ms", "1"], "--p99-ms is for --view frontier, not for --view main"),
        (["--view", "speed", "--metric", "recall@10"], "--metric is for --view main or quality or"),
        (["--view", "frontier", "--baseline", "c0"], "--baseline is for --view main or quality"),
    ],
)
def test_faults_are_one_message(run, capsys, more, message):
    """A wrong name or value ends with status 2 and says what is near."""
    assert main(["compare", str(run), *more]) == 2
    assert message in capsys.readouterr().err


def timed_without(path, *fields):
    """Take measured fields from a run's records; the golden one has a p99 and a p95."""
    change(path, lambda one: {**one, **dict.fromkeys(fields)})


def test_a_budget_of_what_nobody_measured_is_refused(run, capsys):
    """Without a p99 it is told what settles one, and what was measured; a p95 serves instead."""
    timed_without(run, "latency_p99_s")
    change(run, lambda one: {**one, "latency_p95_s": 0.002})
    command = ["compare", str(run), "--view", "frontier"]
    assert main([*command, "--p99-ms", "1"]) == 2
    told = capsys.readouterr().err
    assert "--p99-ms: no p99 was measured; the profile `smoke` does not settle it" in told
    assert "asked for by --quality-at, --memory-mb, --p95-ms" in told
    assert main([*command, "--p95-ms", "1", "3"]) == 0
    text = capsys.readouterr().out
    rows = [x for x in text.splitlines() if x.startswith("p95 ms <=")]
    assert [row.split()[3] for row in rows] == ["1", "3"]
    assert rows[0].count("not reached") == 3
    assert rows[1].split()[-1] == "c2"
    assert "p95 ms  " in text


def test_a_plane_without_what_is_asked_for_says_so(tmp_path, capsys):
    """Of two loads the second has no p99: its table says that the budget tells nothing there."""
    write_run(tmp_path / "run", n_loads=2)
    change(tmp_path / "run", lambda one: {
        **one, "latency_p99_s": 0.002 if one["load"]["batch"] == 1 else None
    })  # fmt: skip
    assert main(["compare", str(tmp_path / "run"), "--view", "frontier", "--p99-ms", "3"]) == 0
    text = capsys.readouterr().out
    assert text.count("p99 ms <= 3") == 1
    assert text.count("--p99-ms: not told here, no p99 was measured") == 1


def test_a_baseline_beside_two_folders_is_refused_unless_they_are_joined(run, capsys):
    """Two runs are compared, the first is the baseline; joined they have one like any run."""
    assert main(["compare", str(run), str(run), "--baseline", "c0"]) == 2
    assert "--join" in capsys.readouterr().err
    assert main(["compare", str(run), str(run), "--join", "--baseline", "c1"]) == 0
    assert "baseline: c1" in capsys.readouterr().out


@pytest.fixture
def parts(tmp_path):
    """Return three folders: c0, c0 and c1 anew and later, and c9 of other data."""
    folders = [tmp_path / name for name in "abc"]
    for folder, n_cases in zip(folders, (1, 2, 1), strict=True):
        write_run(folder, n_cases)
    later = {"attempt": "later", "started_at": "2999-01-01T00:00:00+00:00", "qps": 777.0}
    change(folders[1], lambda one: {**one, **later})
    other = {"case": "c9", "trial_id": "9", "data_hash": "e" * 64}
    change(folders[2], lambda one: {**one, **other})
    return [str(one) for one in folders]


def change(folder, edit):
    path = folder / "records.jsonl"
    lines = [json.dumps(edit(json.loads(one))) for one in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")


def test_several_folders_are_one_run(parts, capsys):
    """Of the trial in two folders the newest attempt stands; other data stay out, with the reason.

    Order of the folders does not matter: 777 QPS is the later one's.
    """
    for folders in (parts, [parts[1], parts[0], parts[2]]):
        for view in ("main", "frontier"):
            assert main(["compare", *folders, "--view", view, "--format", "markdown"]) == 0
            text = capsys.readouterr().out
            reason = f"not joined: 1 records of {parts[2]}: data hash: baseline"
            assert reason in text
            assert "c9" not in text.replace(reason, "")
        rows = [x for x in text.splitlines() if x.startswith(("| c0", "| c1"))]
        assert len(rows) == 2
        assert all("777" in one for one in rows)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"metrics_version": 8}, "metrics version: baseline 7, here 8"),
        ({"metrics": {"recall@10": 0.5, "recall@99": 0.5}}, "k: baseline 10, here 99"),
        (
            {"environment": {"python": "3.11.7", "numpy": "9"}},
            "library numpy: baseline 2.4.6, here 9",
        ),
    ],
)
def test_folders_that_do_not_compare_are_not_joined(parts, capsys, edit, reason):
    """Another version of metrics, length of lists or library keeps records out, and is told.

    A record of the first folder that failed, and tells nothing, takes none of them in.
    """
    change(Path(parts[0]), lambda one: {**one, "metrics_version": 7})
    extra = {"trial_id": "f", "case": "f", "status": "failed", "reason": "x", "metrics": {}}
    path = Path(parts[0]) / "records.jsonl"
    first = json.loads(path.read_text().splitlines()[0])
    path.write_text(path.read_text() + json.dumps({**first, **extra, "metrics_ci": {}}) + "\n")
    change(Path(parts[1]), lambda one: {**one, "case": "z", "metrics_version": 7, **edit})
    for view in ("main", "frontier"):
        assert main(["compare", *parts[:2], "--join", "--view", view, "--format", "markdown"]) == 0
        text = capsys.readouterr().out
        assert f"not joined: 2 records of {parts[1]}: {reason}" in text
        assert "| z" not in text


def test_a_page_of_several_folders_lies_in_the_first(parts, capsys):
    """The page holds the rows of all, and says what was not joined."""
    assert main(["report", *parts]) == 0
    page = (Path(parts[0]) / "report.html").read_text()
    assert ">c1</th>" in page
    assert "not joined: 1 records of" in page
    assert main(["figure", *parts, "--figure", "frontier-1-qps"]) == 0
    caption = (Path(parts[0]) / "figures" / "frontier-1-qps.txt").read_text()
    assert "not joined: 1 records of" in caption


def test_five_thousand_records_compare_in_five_seconds(tmp_path, capsys):
    """500 operating points x 5 loads x 2 repeats, 1,000 queries, 2 metrics: seconds of CPU time."""
    lines = write_run(tmp_path / "run", n_cases=10, n_settings=50, n_loads=5, n_repeats=2)
    assert len(lines) == 5_000
    started = time.process_time()
    assert main(["compare", str(tmp_path / "run")]) == 0
    assert time.process_time() - started < 5
    assert "over the 998 tested cells" in capsys.readouterr().out


def test_five_thousand_files_compare_in_five_seconds(tmp_path, capsys):
    """1,000 cases x 5 seeds, each with values of 1,000 queries: 4.5 s, and twice that fails."""
    assert len(write_run(tmp_path / "run", n_cases=1_000, n_seeds=5)) == 5_000
    started = time.process_time()
    assert main(["compare", str(tmp_path / "run")]) == 0
    assert time.process_time() - started < 6.5
    assert "over the 1998 tested cells" in capsys.readouterr().out

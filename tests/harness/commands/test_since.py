"""A command to run a record again says where its suite has become another."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands.since import changed_since
from harness.compare.setting import setting_key
from harness.record import Record

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-3.json"
SUITE = """
name     = "small"
question = "?"
dataset  = "checkerboard"
split    = { kind = "random_per_user", test = 0.3, seed = 7, cold_items = "drop" }
metrics  = ["recall@5"]
load     = [{ kind = "single_stream", queries = 100 }]

[[case]]
method = "item_knn"
build  = { n_neighbours = [20, 50] }
"""
PUBLISHED = """
[[figure]]
method = "ItemKNN"
source = "a table"
dataset = "checkerboard"
case = "item_knn"
tolerance = 0.01
metrics = { "recall@5" = 0.5 }
"""
LOAD = {
    "kind": "single_stream", "queries": 100, "batch": 1, "rate": None, "max_p99_s": None,
    "mix": "uniform", "zipf_exponent": 1.0, "mix_share": 0.1, "resident": False,
}  # fmt: skip
BUILD = {
    "n_neighbours": 50, "similarity": "cosine", "asymmetry": 0.5, "shrinkage": 0.0,
    "weighting": "none", "power": 1.0, "normalise": False, "neighbours_of": "scored",
    "centred": False,
}  # fmt: skip


@pytest.fixture
def record(tmp_path):
    """Return a record of the suite as it is, which `path` of its command names."""
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    values = {
        "dataset": "checkerboard()",
        "case": "item_knn", "method": "item_knn", "build": BUILD, "search": {}, "load": LOAD,
        "threads": 1, "fit_threads": 2, "status": "ok", "metrics": {"recall@5": 0.5},
        "metrics_ci": {}, "history": {},
        "replay": f"matchbench run {path} --methods item_knn --out x --force",
    }  # fmt: skip
    return Record.from_json(json.dumps({**json.loads(GOLDEN.read_text()), **values}))


def note_of(record):
    found = changed_since([record], [])
    return found.get(setting_key(record.trial_id, record.search, record.load))


def test_nothing_is_said_of_a_suite_that_is_the_same(record):
    """Any point of its grid, any seed; nor of one that is not there, which the command tells."""
    assert note_of(record) is None
    assert note_of(replace(record, seed=99)) is None
    assert note_of(replace(record, build={**BUILD, "n_neighbours": 20})) is None
    assert note_of(replace(record, replay="matchbench run nowhere --force")) is None
    assert note_of(replace(record, replay="")) is None
    assert note_of(replace(record, replay="matchbench run 'small")) is None


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (
            {"build": {**BUILD, "n_neighbours": 21}, "fit_threads": 1},
            "the suite has changed since: fit_threads 1, now 2, n_neighbours 21, now 20",
        ),
        (
            {"build": {name: one for name, one in BUILD.items() if name != "asymmetry"}},
            "parameters that came later: asymmetry 0.5",
        ),
        ({"build": {name: one for name, one in BUILD.items() if name != "centred"}}, None),
        (
            {
                "build": {name: one for name, one in BUILD.items() if name != "power"},
                "search": {"power": 1.0},
            },
            None,  # it moved, and kept its value
        ),
        (
            {
                "build": {name: one for name, one in BUILD.items() if name != "power"},
                "search": {"power": 2.0},
            },
            (
                "the suite has changed since: power 2.0, now not set; "
                "parameters that came later: power 1.0"
            ),
        ),
        ({"load": {**LOAD, "queries": 7}}, "the suite has changed since: queries 7, now 100"),
        ({"case": "gone"}, "the suite has changed since: no case gone"),
        (
            {"learned_from": "training"},
            "the suite has changed since: learned_from training, now training and validation",
        ),
    ],
)
def test_what_differs_is_said(record, change, note):
    """By the nearest trial of its case; a parameter that came later and is off changes nothing."""
    assert note_of(replace(record, **change)) == note


def test_page_and_published_table_carry_it(record, tmp_path, capsys):
    """Row, list of commands and the short answer of the page; the note of the table."""
    changed = replace(record, fit_threads=1)
    (tmp_path / "run").mkdir()
    lines = [one.to_json() for one in (changed, replace(record, trial_id="b", seed=2))]
    (tmp_path / "run" / "records.jsonl").write_text("\n".join(lines) + "\n")
    assert main(["report", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("the suite has changed since: fit_threads 1, now 2") == 2
    assert "For 1 of 2 records the suite says what it said." in page
    figures = tmp_path / "p.toml"
    figures.write_text(PUBLISHED)
    words = ["--view", "published", "--published", str(figures)]
    assert main(["compare", str(tmp_path / "run"), *words]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"again: {record.replay} (the suite has changed since: fit_threads 1, now 2)" in told


def test_what_the_suite_asks_for_beyond_the_records(record, tmp_path, capsys):
    """A case without a record has a row though no figure asks for it; a seed without one a note."""
    seeds = "seeds  = [7, 9]\nbuild  = { n_neighbours = [20, 50] }"
    path = tmp_path / "small.toml"
    path.write_text(
        SUITE.replace("build  = { n_neighbours = [20, 50] }", seeds)
        + '\n[[case]]\nmethod = "ease"\n'
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "records.jsonl").write_text(replace(record, seed=7).to_json() + "\n")
    figures = tmp_path / "p.toml"
    figures.write_text(PUBLISHED)
    words = ["--view", "published", "--published", str(figures)]
    assert main(["compare", str(tmp_path / "run"), *words]) == 0
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("ease")]
    assert "not run" in row
    assert "no record of case ease" in out
    assert "not run: seed 9" in out

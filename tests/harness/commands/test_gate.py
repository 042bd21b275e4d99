"""`matchbench gate` and `baseline update` whole, on a suite of seconds."""

import json

import pytest

from harness.cli import main
from harness.commands import baseline as baseline_command
from harness.commands import gate as gate_command
from harness.commands.shipped import suite_folders
from harness.run.suite import read_suite
from harness.store.baseline import read_baseline

SUITE = """
name     = "tiny"
question = "?"
dataset  = "checkerboard"
split    = { kind = "random_per_user", test = 0.3, seed = 7, cold_items = "drop" }
metrics  = ["recall@5"]
gate     = { exact = ["popularity"] }

[[case]]
method = "popularity"

[[case]]
method = "random"
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return a suite file; baselines go to a folder of the test's."""
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    for module in (gate_command, baseline_command):
        monkeypatch.setattr(module, "BASELINES", tmp_path / "baselines")
    monkeypatch.chdir(tmp_path)
    return path


def test_from_the_first_baseline_to_a_case_that_is_gone(tiny, tmp_path, capsys):
    """Update, pass with 0; then a case that is renamed ends with 4, and an update keeps history."""
    assert main(["baseline", "update", str(tiny), "--reason", "the first of its kind"]) == 0
    baseline = read_baseline(tmp_path / "baselines" / "tiny")
    assert set(baseline.points) == {"popularity", "random"}
    assert set(baseline.spreads) == {"random"}  # its bytes are the same whatever the seed
    assert baseline.spreads["random"].n_seeds == 5
    assert baseline.spreads["random"].steady == ("index_bytes",)
    account, summary = tmp_path / "gate.json", tmp_path / "summary.md"
    words = ["gate", str(tiny), "--json", str(account), "--summary", str(summary)]
    assert main(words) == 0
    found = json.loads(account.read_text())
    assert found["exit"] == 0
    assert {one["verdict"] for one in found["findings"]} == {"same"}
    assert {one["lane"] for one in found["findings"]} == {1, 2}
    assert "## matchbench gate: pass" in summary.read_text()
    tiny.write_text(SUITE.replace('method = "random"', 'name = "lots"\nmethod = "random"'))
    assert main(words) == 4
    assert "| missing |" in summary.read_text()
    assert main(["baseline", "update", str(tiny), "--reason", "a case has another name"]) == 0
    history = read_baseline(tmp_path / "baselines" / "tiny").history
    assert [one.reason for one in history] == ["the first of its kind", "a case has another name"]
    assert set(history[-1].changed) == {"random", "lots"}
    assert main(words) == 0


def test_faults_end_with_3(tiny, capsys):
    """No suite, no baseline, a bad option, lane 3 without a revision: never a verdict's status."""
    for words in (
        ["nosuch"],
        [str(tiny)],
        ["--lane", "9"],
        ["--lane", "3"],
        [str(tiny), "--against", "HEAD", "--pairs", "3"],
    ):
        assert main(["gate", *words]) == 3, words


def test_an_update_needs_a_reason(tiny, capsys):
    """A word is none."""
    assert main(["baseline", "update", str(tiny), "--reason", "because"]) == 2
    assert "in a sentence" in capsys.readouterr().err


def test_committed_baselines_are_of_their_suites():
    """Each is whole, and holds the cases of the shipped suite, exact where the suite says so."""
    names = gate_command.baselines()
    assert {"smoke", "gate"} <= set(names)
    for name in names:
        suite = read_suite(suite_folders()[0] / f"{name}.toml")
        baseline = read_baseline(gate_command.BASELINES / name)
        cases = {one.facts.case: one.facts.exact for one in baseline.points.values()}
        assert cases == {one.name: one.name in suite.gate["exact"] for one in suite.cases}
        assert all(
            one.facts.exact or name in baseline.spreads for name, one in baseline.points.items()
        )


def test_an_exact_case_must_exist(tiny, capsys):
    """A misspelt case would be held to nothing: it is refused, with the near name."""
    tiny.write_text(SUITE.replace('exact = ["popularity"]', 'exakt = 1, exact = ["popularty"]'))
    assert main(["plan", str(tiny)]) == 2
    message = capsys.readouterr().err
    assert "gate: unknown key 'exakt'" in message
    assert "unknown case 'popularty'; did you mean 'popularity'?" in message

"""The gate's account is given whatever ends it: what was found so far, and the fault by name."""

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands import gate as gate_command
from harness.errors import HarnessError

SUITE = """
name     = "tiny"
question = "?"
dataset  = "checkerboard"
split    = { kind = "random_per_user", test = 0.3, seed = 7, cold_items = "drop" }
metrics  = ["recall@5"]

[[case]]
method = "popularity"
"""


@pytest.fixture
def suites(tmp_path, monkeypatch, taken_of, baseline_of):
    """Return two suite files whose facts are made by hand and agree with their baselines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gate_command, "read_baseline", lambda folder: baseline_of(taken_of("a")))
    monkeypatch.setattr(gate_command, "take_facts", lambda *_: [taken_of("a")])
    paths = [tmp_path / "tiny.toml", tmp_path / "other.toml"]
    for path in paths:
        path.write_text(SUITE.replace('"tiny"', f'"{path.stem}"'))
    return [str(path) for path in paths]


def gate(*words):
    """Return the status of the gate, its JSON account and its summary."""
    files = ["--json", "gate.json", "--summary", "summary.md"]
    status = main(["gate", *words, *files])
    return status, json.loads(Path("gate.json").read_text()), Path("summary.md").read_text()


def test_an_account_without_a_fault(suites):
    """Both suites agree: status 0, and no fault stands in the account."""
    status, account, summary = gate(*suites)
    assert (status, account["exit"], account["fault"]) == (0, 0, None)
    assert {one["suite"] for one in account["findings"]} == {"s"}
    assert "Not finished" not in summary


@pytest.mark.parametrize("which", [["nosuchrev"], ["HEAD", "--head", "nosuchrev"]])
def test_a_revision_that_is_none_is_told_before_anything_runs(which, suites, monkeypatch):
    """`--against nosuchrev` takes no facts: status 3, and the account names the revision."""

    def taken(*_):
        raise AssertionError("facts were taken although there is no such revision")

    monkeypatch.setattr(gate_command, "take_facts", taken)
    status, account, summary = gate(*suites, "--against", *which)
    assert (status, account["exit"], account["findings"]) == (3, 3, [])
    assert "nosuchrev" in account["fault"]
    assert summary.startswith("## matchbench gate: fault of the harness")
    assert account["fault"] in summary


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        (HarnessError("a worker is gone"), 3, "HarnessError: a worker is gone"),
        (ZeroDivisionError("by zero"), 3, "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_was_found_before_a_fault_is_told(raised, status, told, suites, monkeypatch, capsys):
    """The second suite faults: what the first gave is printed and written, the fault named."""
    take = gate_command.take_facts

    def faulty(trials, exact, out, root):
        if out.name == "other":
            raise raised
        return take(trials, exact, out, root)

    monkeypatch.setattr(gate_command, "take_facts", faulty)
    ended, account, summary = gate(*suites)
    assert (ended, account["exit"]) == (status, 3)
    assert {(one["lane"], one["verdict"]) for one in account["findings"]} == {
        (1, "same"),
        (2, "same"),
    }
    assert account["fault"] == f"other, lanes 1 and 2: {told}"
    assert f"**Not finished.** other, lanes 1 and 2: {told}" in summary
    assert "lane 1 (exact facts): 3 same" in summary
    assert summary in capsys.readouterr().out


def test_a_fault_of_the_call_is_told_too(suites):
    """Lane 3 without a revision: the account says so, in place of what an earlier run left."""
    gate(*suites)
    status, account, _ = gate(*suites, "--lane", "3")
    assert (status, account["exit"], account["findings"]) == (3, 3, [])
    assert "--lane 3 needs --against" in account["fault"]


@pytest.mark.parametrize(
    ("lanes", "told"),
    [(["1"], "nothing has judged them, since lane 2 was not run"), (["1", "2"], "lane 2 judges")],
)
def test_lane_2_judges_only_where_it_runs(lanes, told, suites, monkeypatch, taken_of, baseline_of):
    """Learned lists elsewhere: the account says who judges them; nobody is status 2."""
    base = baseline_of(taken_of("a", exact=False))
    monkeypatch.setattr(gate_command, "read_baseline", lambda folder: base)
    monkeypatch.setattr(gate_command, "arithmetic", lambda: {"instructions": "other"})
    status, _, summary = gate(suites[0], "--lane", *lanes)
    assert f"): {told}.\n" in summary
    assert (status == 2) == (lanes == ["1"])

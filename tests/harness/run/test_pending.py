"""What is answered is not run again, and what is not is."""

import dataclasses
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.measure.machine import code_hash, describe_environment, describe_machine
from harness.record import Record, Status
from harness.run import code, runner
from harness.run.code import code_of
from harness.run.ending import Ending
from harness.run.runner import pending_trials

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
DATA = "00"


@dataclasses.dataclass(frozen=True)
class Trial:
    """As much of a TrialSpec as is looked at."""

    trial_id: str = "t"
    device: str = "cpu"
    limits: dict = dataclasses.field(default_factory=dict)


def record(**changes):
    present = {
        "trial_id": "t",
        "n_points": 1,
        "data_hash": DATA,
        "code_hash": code_hash(),
        "machine": describe_machine(),
        "environment": describe_environment(),
    }
    return dataclasses.replace(BASE, **{**present, **changes})


def pending(records, **trial):
    return [one.trial_id for one in pending_trials([Trial(**trial)], records, DATA)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"status": Status.INVALID}, []),
        ({"status": Status.FAILED, "load": {}, "search": {}}, []),
        ({"n_points": 2}, ["t"]),
        ({"n_points": 2, "status": Status.SKIPPED}, ["t"]),  # a load that was left out: one point
        ({"data_hash": "11"}, ["t"]),
        ({"code_hash": "another"}, ["t"]),
        ({"environment": {"python": "2.7"}}, ["t"]),
        ({"machine": {**describe_machine(), "cpu": "another"}}, ["t"]),
        ({"trial_id": "u"}, ["t"]),
    ],
)
def test_a_trial_is_answered_by_all_its_points_or_a_failure(changes, expected):
    """Of this code, data, machine and environment; a part of the points does not count."""
    assert pending([record(**changes)]) == expected


@pytest.mark.parametrize(("missing", "expected"), [("no CUDA device", []), (None, ["t"])])
def test_a_trial_that_lacked_a_device_runs_once_it_is_there(monkeypatch, missing, expected):
    """It was skipped for want of one; as long as that is so it stays skipped."""
    monkeypatch.setattr(runner, "missing_device", lambda device: missing)
    skipped = record(status=Status.SKIPPED, device="cuda", load={}, search={})
    assert pending([skipped], device="cuda") == expected
    assert pending([skipped, record(attempt="later", device="cuda")], device="cuda") == []


def test_the_code_of_a_plug_in_is_part_of_the_code(monkeypatch, tmp_path):
    """An edited plug-in is other code; ours has no plus; an unknown source says so."""
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = dataclasses.make_dataclass("Entry", ["target", "distribution"])
    known = {
        "mine": entry("my_methods.retriever:Mine", "my-methods"),
        "ours": entry("methods.classical.popularity:Popularity", "matchbench"),
        "lost": entry("nowhere_to_be_found:Lost", "lost-methods"),
    }
    monkeypatch.setattr(code, "methods", lambda: known)
    package = tmp_path / "my_methods"
    package.mkdir()
    (package / "__init__.py").write_text("")
    seen = []
    (package / "notes.txt").write_text("no code")
    for line in ("x = 1", "x = 2", "x = 1"):
        (package / "retriever.py").write_text(line)
        code.module_hash.cache_clear()
        seen.append(code_of("mine"))
    assert seen[0] == seen[2] != seen[1]
    assert all(one.startswith(f"{code_hash()}+") for one in seen)
    assert code_of("ours") == code_of("best_possible") == code_hash()
    assert code_of("lost") == f"{code_hash()}+unknown"


def test_a_package_without_an_init_is_code_too(monkeypatch, tmp_path):
    """Of a namespace package, and of compiled modules, every change counts; of data none."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "spread_out" / "inner"
    folder.mkdir(parents=True)
    seen = []
    files = ((".py", "x = 1"), (EXTENSION_SUFFIXES[0], "binary"), (".txt", "words"))
    for suffix, text in files:
        (folder / f"one{suffix}").write_text(text)
        code.module_hash.cache_clear()
        seen.append(code.module_hash("spread_out"))
    assert "unknown" not in seen
    assert seen[0] != seen[1] == seen[2]


def test_an_invalid_trial_is_not_shown_as_ok(monkeypatch, tmp_path):
    """Its process ended well; the listener hears what its records say."""
    heard, kept = [], []
    listener = SimpleNamespace(
        trial_starts=lambda *_: None,
        stage=lambda *_: None,
        trial_ends=lambda spec, ending, seconds: heard.append((ending.status, ending.reason)),
    )
    invalid = record(status=Status.INVALID, reason="3 NaN scores")

    def execute(spec, place, on_stage, on_record):
        on_record(record())
        on_record(invalid)
        return Ending(Status.OK)

    monkeypatch.setattr(runner, "execute", execute)
    context = runner.RunContext(tmp_path, None, "", "")
    ended = runner.run_trials([Trial()], context, SimpleNamespace(append=kept.append), listener)
    assert heard == [(Status.INVALID, "3 NaN scores")]
    assert (len(kept), [one.status for one in ended]) == (2, [Status.OK])

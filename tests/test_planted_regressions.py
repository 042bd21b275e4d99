"""Plants of `suites/planted_regressions.py` fit the code as it is; its log of runs is kept."""

import importlib.util
import json
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_SPEC = importlib.util.spec_from_file_location(
    "planted_regressions", ROOT / "suites" / "planted_regressions.py"
)
planted = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = planted  # dataclasses look their module up
_SPEC.loader.exec_module(planted)
SPEED_NOISE = next(one for one in planted.PLANTS if one.name == "noise, speed")


@pytest.mark.parametrize("plant", planted.PLANTS, ids=lambda one: one.name)
def test_a_plant_fits_the_code(plant):
    """What it replaces stands once in its file; what comes out is other text, and compiles."""
    for name, text in planted.edited(ROOT, plant.edits).items():
        assert text != (ROOT / name).read_text()
        if name.endswith(".py"):
            compile(text, name, "exec")
        elif name.endswith(".toml"):
            tomllib.loads(text)


def test_words_that_are_gone_or_stand_twice_are_refused(tmp_path):
    """Else a plant would change nothing, or more than it says; a second edit sees the first."""
    (tmp_path / "a.py").write_text("one two two")
    for old, count in (("three", 0), ("two", 2)):
        with pytest.raises(ValueError, match=f"stands there {count} times"):
            planted.edited(tmp_path, (("a.py", old, "x"),))
    edits = (("a.py", "one", "three"), ("a.py", "three", "four"))
    assert planted.edited(tmp_path, edits) == {"a.py": "four two two"}


@pytest.fixture
def gates(monkeypatch):
    """Let a list say what the gate answers; nothing is copied and nothing runs."""
    answers = []

    def gate(copy, arguments, variables):
        status = answers.pop(0)
        if status is None:
            raise KeyboardInterrupt
        verdict = {0: "unchanged", 1: "regressed", 2: "inconclusive"}.get(status)
        found = {"lane": 3, "fact": "seconds", "benchmark": "b", "verdict": verdict, "text": ""}
        return status, [found] if verdict else []

    for name in ("make_copy", "edit", "commit"):
        monkeypatch.setattr(planted, name, lambda *_: None)
    monkeypatch.setattr(planted, "gate", gate)
    return answers


def test_runs_are_collected_over_sittings(gates, tmp_path):
    """Two runs, an interruption, two more: four lines, none lost, none run again, all right."""
    log = tmp_path / "runs.jsonl"
    gates += [0, 2, None]
    with pytest.raises(KeyboardInterrupt):
        planted.run(SPEED_NOISE, tmp_path, 4, log)
    assert [json.loads(one)["status"] for one in log.read_text().splitlines()] == [0, 2]
    gates += [0, 0]
    row = planted.run(SPEED_NOISE, tmp_path, 4, log)
    assert gates == []
    assert "| 3 x status 0, 1 x status 2 | 4 of 4 |" in row
    assert row.endswith("| yes |")
    assert planted.run(SPEED_NOISE, tmp_path, 4, log) == row  # nothing is left to run
    assert len(log.read_text().splitlines()) == 4


def test_alarms_and_faults_are_not_right(gates, tmp_path, monkeypatch):
    """A regression, or a gate that judged nothing, counts; runs of another gate do not."""
    log = tmp_path / "runs.jsonl"
    gates += [0, 1, 3]
    row = planted.run(SPEED_NOISE, tmp_path, 3, log)
    assert "| 1 x status 0, 1 x status 1, 1 x status 3 | 1 of 3 |" in row
    assert row.endswith("| NO |")
    monkeypatch.setattr(planted, "gate_hash", lambda: "other")
    gates += [0]
    assert "| 1 of 1 |" in planted.run(SPEED_NOISE, tmp_path, 1, log)

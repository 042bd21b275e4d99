"""What an interrupted trial left is taken over by the same work alone, and goes with its end."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from harness.cli import main
from harness.record import Status
from harness.run import checkpoints
from harness.run.checkpoints import checkpoint_folder, remove_unless_it_goes_on
from harness.run.ending import Ending
from harness.run.trial_spec import Place
from harness.store.journal import read_records


@pytest.mark.parametrize(
    ("more", "taken_over_s"), [((), {"fit": 100.0}), (("--force",), {})], ids=["again", "force"]
)
def test_a_killed_trial_goes_on(plugin, make_suite, tmp_path, more, taken_over_s):
    """Killed during the fit, run again: it takes over, and the record counts and tells it.

    With --force it starts anew. The state is gone once the trial has ended.
    """
    out = tmp_path / "out"
    arguments = ["run", str(make_suite("goes_on")), "--out", str(out)]
    command = [sys.executable, "-m", "harness", *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 100
        while "left" not in plugin.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    assert [one.read_text() for one in out.glob("checkpoints/*/*/state")] == ["half of the work"]
    assert main([*arguments, *more]) == 0
    (record,) = read_records(out)
    assert record.taken_over_s == taken_over_s
    assert (record.fit_s >= 100) == bool(taken_over_s)
    assert record.offline_s["fit"] == record.fit_s
    told = [one for one in record.warnings if "of an interrupted attempt: 100 s of its" in one]
    assert len(told) == len(taken_over_s)
    assert record.history == {"fit": [{"epoch": 1.0, "loss": None}, {"epoch": 2.0, "loss": 0.5}]}
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize("status", list(Status))
def test_only_a_limit_leaves_a_checkpoint(status, tmp_path):
    """A trial that met one may run again under another; any other ending is an answer."""
    spec, place = SimpleNamespace(trial_id="mine", method="popularity"), Place("", tmp_path, None)
    folder = checkpoint_folder(spec, place, "00")
    folder.mkdir(parents=True)
    remove_unless_it_goes_on(spec, place, Ending(status, "a reason"))
    assert folder.exists() == (status in ("timeout", "out_of_memory"))
    assert (tmp_path / "checkpoints").exists() == folder.exists()


def test_other_code_or_data_take_nothing_over(tmp_path, monkeypatch):
    """They have another folder, and remove what cannot be used any more; other trials' stays."""
    spec, place = SimpleNamespace(trial_id="mine", method="popularity"), Place("", tmp_path, None)
    other = checkpoint_folder(SimpleNamespace(trial_id="other", method="popularity"), place, "00")
    other.mkdir(parents=True)
    first = checkpoint_folder(spec, place, "00")
    first.mkdir(parents=True)
    assert checkpoint_folder(spec, place, "00") == first
    assert first.exists()
    second = checkpoint_folder(spec, place, "11")
    assert not first.exists()
    second.mkdir()
    monkeypatch.setattr(checkpoints, "code_of", lambda method: "edited")
    assert len({first, second, checkpoint_folder(spec, place, "11")}) == 3
    assert not second.exists()
    assert other.exists()

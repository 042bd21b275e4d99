"""The command, with a process for each trial: killed, gone on with, and bad input."""

import os
import signal
import subprocess
import sys
import time

import pytest

from harness.cli import main
from harness.store.tuning_log import TuningLog
from harness.tuning import TuningTrial

CASE = """
method = "aimed"
build = { aim = 0.65, raises_above = 0.6 }
tune = { aim = { low = 0.0, high = 0.6 } }
"""


def trials(folder):
    lines = (folder / "tuning.jsonl").read_text().splitlines()
    return [TuningTrial.from_json(line) for line in lines]


def told(found):
    return [(one.number, dict(one.values), one.value, one.status) for one in found]


def test_killed_and_gone_on_with_it_comes_to_the_same(make_suite, here, tmp_path):
    """SIGKILL during a trial: no trial is made twice, and the choice is the uninterrupted one's."""
    path, out = make_suite(CASE), tmp_path / "killed"
    words = ["tune", str(path), "--trials", "3", "--out", str(out)]
    log = out / "tuning.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as tuning:
        while not (log.exists() and log.read_bytes().count(b"\n") == 1):
            assert tuning.poll() is None, tuning.stderr.read()
            time.sleep(0.01)
        os.kill(tuning.pid, signal.SIGKILL)
    with log.open("ab") as file:
        file.write(b'{"schema":1,"stu')  # as when it is killed while it writes
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 trials of this tuning are already recorded" in done.stderr
    assert (out / "tuning.jsonl.cut-1").read_bytes() == b'{"schema":1,"stu'

    whole = tmp_path / "whole"
    assert main([*words[:-1], str(whole)]) == 0  # in this process, without an interruption
    assert told(trials(out)) == told(trials(whole))
    assert [one.number for one in trials(out)] == [0, 1, 2]
    default, *others = trials(out)
    assert (default.status, default.value) == ("failed", None)
    assert "RuntimeError: too high (log: logs/" in default.reason
    assert all(one.value > 0 for one in others)
    first, second = (tuned_values(folder) for folder in (out, whole))
    assert first == second


def tuned_values(folder):
    text = (folder / "tiny.tuned.toml").read_text()
    return [line for line in text.splitlines() if line.startswith(("build", "chosen", "best"))]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--trials", "0"], "--trials 0: expected at least 1"),
        (["--trials", "2", "--metric", "ndgc@5"], "unknown metric 'ndgc'; did you mean 'ndcg'?"),
        (["--trials", "2", "--metric", "recall@99"], "k = 99 exceeds the catalogue of 60 items"),
        (["--trials", "2", "--cases", "aimd"], "no case matches 'aimd'; did you mean 'aimed'"),
        (["--trials", "2", "--time-limit", "-1"], "--time-limit -1 must be above 0 and finite"),
    ],
)
def test_bad_input_is_told(make_suite, capsys, tmp_path, words, fault):
    """One message, exit status 2, and nothing is written."""
    out = tmp_path / "out"
    assert main(["tune", str(make_suite(CASE)), "--out", str(out), *words]) == 2
    assert fault in capsys.readouterr().err
    assert not out.exists()


def test_two_tunings_do_not_write_one_log(make_suite, here, tmp_path, capsys):
    """The second is refused while the first holds the file."""
    path = make_suite(CASE)
    with TuningLog(tmp_path / "out").opened():
        assert main(["tune", str(path), "--trials", "1", "--out", str(tmp_path / "out")]) == 2
    assert "another run is writing to it" in capsys.readouterr().err

"""Runs: whatever a trial does, it leaves records, the rest goes on, and nothing is repeated."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from harness.cli import main
from harness.store.journal import NAME, read_records


def run(path, out, *more):
    return main(["run", str(path), "--out", str(out), *more])


def test_a_good_run_leaves_a_full_record(plugin, make_suite, tmp_path, capsys):
    """Every part of the record is there, and the table prints it."""
    assert run(make_suite("counting"), tmp_path / "out") == 0
    (record,) = read_records(tmp_path / "out")
    assert record.status == "ok"
    assert set(record.metrics) == {"recall@3", "ndcg@3", "ann_recall@3"}
    assert record.metrics["ann_recall@3"] == 1.0
    low, high = record.metrics_ci["recall@3"]
    assert low <= record.metrics["recall@3"] <= high
    assert record.n_timed >= 200  # the least of the profile, in whole rounds of 30 queries
    assert record.n_timed % 30 == 0
    assert record.latency_p50_s > 0
    assert record.latency_p99_s is None  # the profile smoke says nothing beyond p95
    with np.load(tmp_path / "out" / record.per_query) as arrays:
        total_s = arrays["latency_s/0"].sum()
    assert record.qps == pytest.approx(record.n_timed / total_s)  # of one pass
    assert record.peak_host_bytes > 50e6
    assert record.peak_device_bytes is None
    assert record.fit_s >= 0
    assert record.search == {"depth": 1}
    with np.load(tmp_path / "out" / record.per_query) as arrays:
        assert arrays["ids"].shape == (record.n_queries, 3)
        assert arrays["metrics/recall@3"].mean() == record.metrics["recall@3"]
        assert arrays["latency_s/0"].shape == (record.n_timed,)
        times_sent = np.bincount(arrays["latency_rows/0"])
    assert times_sent[times_sent > 0].tolist() == [record.n_timed // 30] * 30
    assert "counting" in capsys.readouterr().out


def test_nothing_is_repeated(plugin, make_suite, tmp_path, capsys):
    """A second run fits nothing; --force does; another seed is other work."""
    path, out = make_suite("counting"), tmp_path / "out"
    run(path, out)
    run(path, out)
    assert plugin.read_text().split() == ["fit"]
    assert "1 of 1 trials are already recorded" in capsys.readouterr().err
    run(path, out, "--force")
    run(path, out, "--seed", "5")
    assert plugin.read_text().split() == ["fit"] * 3


def test_other_data_are_other_work(plugin, make_suite, tmp_path):
    """The same suite on another split runs again: old records do not answer for it."""
    out = tmp_path / "out"
    run(make_suite("counting"), out)
    path = make_suite("counting")
    path.write_text(path.read_text().replace("test = 0.3", "test = 0.4"))
    run(path, out)
    assert plugin.read_text().split() == ["fit"] * 2


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("raises", "failed", "RuntimeError: the fit went wrong (log: logs/"),
        ("dies_by_signal", "failed", "killed by SIGKILL during 'fit' (log: logs/"),
        ("crashes", "failed", "killed by SIGSEGV during 'fit'"),
        ("exits", "failed", "the process ended with status 5 during 'fit'"),
        ("exits_as_if_well", "failed", "the process ended with status 0 during 'fit'"),
        ("floods_its_channel", "failed", "no message: a line of more than 8 MiB"),
        ("runs_out", "out_of_memory", "during 'fit', no memory limit set (log: logs/"),
        ("takes_more_threads", "invalid", "thread pool 'torch' has 2 threads, expected 1"),
        ("writes_garbage", "failed", "the worker sent something that is no message"),
        ("returns_nan", "invalid", "NaN"),
        ("returns_twice", "invalid", "duplicate"),
        ("other_when_alone", "invalid", "timed answers differ from the scored"),
        ("remembers", "invalid", "times as fast as a new one, at most 1.1 is allowed"),
        ("raises_now_and_then", "invalid", "timed queries raised an error, the first: ValueError"),
    ],
)
def test_a_bad_trial_is_a_record_and_the_rest_goes_on(
    plugin, make_suite, tmp_path, capsys, method, status, reason, marked
):
    """The trial's record says why; the next trial ends well; the status of the run is 1."""
    assert run(make_suite(method, "counting"), tmp_path / "out") == 1
    bad, good = read_records(tmp_path / "out")
    assert (bad.method, bad.status) == (method, status)
    assert reason in bad.reason
    assert marked(bad.attempt) == []
    assert (good.method, good.status) == ("counting", "ok")
    said = " ".join(capsys.readouterr().out.split())  # a long note is broken into lines
    assert reason in said  # no table loses a row


def test_a_failed_trial_is_not_tried_again(plugin, make_suite, tmp_path):
    """A failure is an answer; --force asks again."""
    path, out = make_suite("raises"), tmp_path / "out"
    assert [run(path, out), run(path, out), run(path, out, "--force")] == [1, 1, 1]
    assert len(read_records(out)) == 2


def test_a_hanging_trial_ends_at_its_limit_with_its_children(
    plugin, make_suite, tmp_path, is_alive, marked
):
    """The time limit ends every process of the trial and becomes a record that names it.

    One child is in the worker's group, one in a session of its own, one is an orphan in another.
    """
    path = make_suite("hangs", "counting", extra="time_limit_s = 12")
    assert run(path, tmp_path / "out") == 1
    bad, good = read_records(tmp_path / "out")
    assert (bad.status, good.status) == ("timeout", "ok")
    assert bad.reason == "ran past time_limit_s = 12 s during 'fit'"
    pids = plugin.read_text().split()[:4]
    assert [is_alive(pid) for pid in pids] == [False] * 4
    assert marked(bad.attempt) == []
    assert bad.isolation["limits"]["time_limit_s"] == 12


def test_kill_9_loses_only_the_trial_in_flight(plugin, make_suite, tmp_path, is_alive):
    """The run is killed in its second trial; the worker dies with it; a new start goes on."""
    out = tmp_path / "out"
    path = make_suite("counting", "hangs", extra="time_limit_s = 600")
    command = [sys.executable, "-m", "harness", "run", str(path), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 100
        while len(plugin.read_text().splitlines()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    pids = plugin.read_text().split()[1:]  # the worker and its three children
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [is_alive(pid) for pid in pids] == [False] * 4
    assert [one.method for one in read_records(out)] == ["counting"]
    with (out / NAME).open("ab") as journal:
        journal.write(b'{"schema":1,"tri')  # as if killed while writing
    assert run(path, out, "--methods", "counting") == 0
    assert plugin.read_text().split().count("fit") == 1


def test_kill_9_ends_a_worker_that_keeps_its_interpreter(plugin, make_suite, tmp_path, is_alive):
    """No Python thread of the worker can run; it and its child end with the run all the same."""
    path = make_suite("keeps_the_interpreter", extra="time_limit_s = 600")
    command = [sys.executable, "-m", "harness", "run", str(path), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (pids := plugin.read_text().split()) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [is_alive(pid) for pid in pids] == [False] * 2


def test_without_a_gpu_rows_say_so(plugin, make_suite, tmp_path, capsys):
    """A device that is not there is a skipped row, not a lost one, and no failure."""
    path = make_suite("popularity", extra='devices = ["cpu", "cuda"]')
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert run(path, tmp_path / "out") == 0
    assert [one.status for one in read_records(tmp_path / "out")] == ["ok", "skipped"]
    assert "skipped: no CUDA device" in capsys.readouterr().out

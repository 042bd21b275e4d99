"""Limits hold for all that a trial starts; a trial that meets one becomes a record naming it."""

import os
import re
import time
from pathlib import Path

import pytest

from harness.cli import main
from harness.store.journal import read_records


def run(path, out, *more):
    return main(["run", str(path), "--out", str(out), *more])


@pytest.mark.parametrize("method", ["eats_memory", "eats_memory_in_a_child"])
def test_memory_is_limited_for_all_processes_together(
    plugin, make_suite, tmp_path, method, is_alive
):
    """The record names the limit and what was held; nothing of the trial lives on.

    10 MB every 10 ms or more: two looks, 50 ms apart, find it well before it doubles the limit.
    """
    path = make_suite(method, "counting", extra="memory_limit_mb = 600")
    assert run(path, tmp_path / "out") == 1
    bad, good = read_records(tmp_path / "out")
    assert (bad.status, good.status) == ("out_of_memory", "ok")
    pattern = r"(\d) processes held (\d+) MB together, past memory_limit_mb = 600 MB, during 'fit'"
    n_processes, megabytes = map(int, re.fullmatch(pattern, bad.reason).groups())
    assert n_processes == 1 + ("child" in method)
    assert 600 < megabytes < 1200
    assert bad.isolation["limits"]["memory_limit_bytes"] == 600_000_000
    assert 600e6 < bad.isolation["held_bytes"] < 1200e6
    assert not any(is_alive(pid) for pid in plugin.read_text().split() if pid.isdigit())


def test_pages_shared_by_fork_count_once(plugin, make_suite, tmp_path):
    """Four processes that see the same 300 MB hold 300 MB: 900 MB is enough for them."""
    path = make_suite("shares_memory", extra="memory_limit_mb = 900")
    assert run(path, tmp_path / "out") == 0


def test_an_orphan_that_holds_the_channel_holds_nothing_up(plugin, make_suite, tmp_path, is_alive):
    """A trial that ends well ends at once, and what it leaves behind ends with it."""
    begun = time.monotonic()
    path = make_suite("leaves_an_orphan", extra="time_limit_s = 100")
    assert run(path, tmp_path / "out") == 0
    assert time.monotonic() - begun < 60
    assert not is_alive(plugin.read_text().split()[0])


def test_a_worker_that_hides_is_still_limited(plugin, make_suite, tmp_path):
    """Without a channel nothing is heard of a worker; its time ends all the same."""
    path = make_suite("hides_its_channel", extra="time_limit_s = 8")
    assert run(path, tmp_path / "out") == 1
    (bad,) = read_records(tmp_path / "out")
    assert bad.status == "timeout"
    assert bad.reason.startswith("ran past time_limit_s = 8 s during")


def test_out_of_memory_is_asked_again_under_another_limit_only(plugin, make_suite, tmp_path):
    """The same limit gives the same answer; another may not."""
    out = tmp_path / "out"
    for _ in range(2):
        run(make_suite("runs_out", extra="memory_limit_mb = 4000"), out)
        assert plugin.read_text().split() == ["fit"]
    run(make_suite("runs_out", extra="memory_limit_mb = 5000"), out)
    assert plugin.read_text().split() == ["fit"] * 2
    assert "memory_limit_mb = 5000 MB" in read_records(out)[-1].reason


def test_the_kernel_takes_a_trial_before_its_run(plugin, make_suite, tmp_path):
    """Should the machine's memory run out, a child of the trial is first, the run stays."""
    assert run(make_suite("notes_its_oom_score"), tmp_path / "out") == 0
    mine = int(Path("/proc/self/oom_score_adj").read_text())
    assert int(plugin.read_text().split()[0]) == min(mine + 500, 1000)


def test_a_trial_runs_on_the_cpus_it_records(plugin, make_suite, tmp_path):
    """While measured, every thread is on one CPU, the recorded one; the run gets its own back."""
    mine = os.sched_getaffinity(0)
    assert run(make_suite("notes_its_cpus"), tmp_path / "out") == 0
    (record,) = read_records(tmp_path / "out")
    affinity = record.isolation["affinity"]
    (cpu,) = affinity["measure"]
    lines = plugin.read_text().splitlines()
    assert set(lines) - {"fit"} == {f"({cpu},)"}
    assert set(affinity["allowed"]) == mine == os.sched_getaffinity(0)
    assert record.isolation["pools"]["torch"] == 1
    assert record.isolation["before"]["affinity"] == [cpu]


def test_strict_fails_on_a_busy_machine(plugin, make_suite, tmp_path, capsys):
    """A neighbour on the same CPU marks the row; --strict makes it the status of the run."""
    path, out = make_suite("has_a_busy_neighbour"), tmp_path / "out"
    assert run(path, out) == 0
    (record,) = read_records(out)
    assert record.status == "ok"
    assert record.isolation["busy"]
    assert record.isolation["waited"] > 0.05
    assert any("the measuring thread waited for a CPU" in one for one in record.warnings)
    capsys.readouterr()
    assert run(path, out, "--strict") == 1
    assert "1 of 1 rows were measured on a busy machine" in capsys.readouterr().err
    assert plugin.read_text().split() == ["fit"]  # the stored row says it

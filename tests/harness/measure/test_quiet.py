"""What two snapshots say of the time between: load by others, and what did not stay the same."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest

from harness.measure.quiet import Watch, compare, environment_changes, load_by_others
from harness.measure.snapshot import Snapshot
from harness.measure.threads import INTER_OP
from harness.measure.workplace import MEASURE, Workplace

POOLS = {"torch": 1, INTER_OP: 1, "numba": 1, "openmp:libgomp.so.1": 1}
GPU = {"throttle_reasons": [], "other_processes": 0}
BEFORE = Snapshot(
    at_s=100.0,
    busy_s={0: 50.0, 1: 60.0, 2: 70.0, 3: 80.0},
    own_s=20.0,
    harness_s=5.0,
    waited_s=1.0,
    throttled_s=0.0,
    switches=10,
    major_faults=3,
    pools=POOLS,
    affinity=(3,),
    governor="performance",
    gpu=None,
    load_average=(1.0, 1.0, 1.0),
    pressure_s=7.0,
    memory_available_bytes=10**10,
    swap_used_bytes=0,
)
# Ten seconds later: this process was at work throughout on CPU 3, alone.
QUIET = dataclasses.replace(
    BEFORE,
    at_s=110.0,
    busy_s={0: 50.1, 1: 60.0, 2: 70.0, 3: 90.0},
    own_s=30.0,
    harness_s=5.1,
    waited_s=1.01,
    pressure_s=7.02,
    switches=12,
)


def seen(before=BEFORE, **changes):
    return compare(before, dataclasses.replace(QUIET, **changes), n_threads=1, own_load=1)


def test_a_quiet_machine_has_no_warning():
    """Of the ten seconds of CPU 3 all are ours, and those of CPU 0 are the run's: nobody else."""
    found = seen()
    assert (found.warnings, found.faults) == ([], [])
    assert found.isolation["busy"] is False
    assert found.isolation["others_cpu"] == pytest.approx(0.0)
    assert found.isolation["others_cpu_pinned"] == pytest.approx(0.0)
    assert found.isolation["waited"] == pytest.approx(0.001)
    assert found.isolation["pressure"] == pytest.approx(0.002)
    assert found.isolation["involuntary_switches"] == 2


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        # we had 8.5 of the 10 seconds in which our CPU was at work
        ({"own_s": 28.5}, "others used 0.15 of the 1 pinned CPUs"),
        # 8 + 8 of 30 seconds of the CPUs that are not ours, less the run's 0.1
        ({"busy_s": {0: 58.1, 1: 68.0, 2: 70.0, 3: 90.0}}, "others used 1.60 of the 3 other CPUs"),
        ({"waited_s": 1.6}, "the measuring thread waited for a CPU 6% of the time"),
        ({"throttled_s": 0.25}, "a CPU quota held the process back for 0.25 s"),
    ],
)
def test_each_way_in_which_others_take_part_is_told(changes, warning):
    """The warning has the number; the row is marked busy."""
    found = seen(**changes)
    assert found.warnings == [f"busy machine: {warning}"]
    assert found.isolation["busy"] is True


def test_the_load_average_is_judged_less_our_own():
    """4 on 4 CPUs, of which 1 is ours, leaves 3 > 2; of which 3 are ours, it does not."""
    before = dataclasses.replace(BEFORE, load_average=(4.0, 1.0, 1.0))
    (line,) = compare(before, QUIET, 1, own_load=1).warnings
    assert line == "busy machine: load average 4.00 on 4 CPUs, of which 1 ours"
    assert compare(before, QUIET, 1, own_load=3).warnings == []


def test_a_short_time_tells_no_load():
    """In 0.1 s the kernel's steps of 0.01 s are no measure; the waiting, in ns, still is."""
    after = dataclasses.replace(QUIET, at_s=100.1, waited_s=1.05)
    load = load_by_others(BEFORE, after)
    assert (load["others_cpu"], load["others_cpu_pinned"]) == (None, None)
    assert load["waited"] == pytest.approx(0.5)


def test_what_a_machine_does_not_say_is_none():
    """No schedstat, no pressure, no quota, no affinity: null, not zero, and no warning."""
    absent = {"waited_s": None, "throttled_s": None, "pressure_s": None, "affinity": None}
    found = compare(
        dataclasses.replace(BEFORE, **absent), dataclasses.replace(QUIET, **absent), 1, 1
    )
    names = ("waited", "throttled_s", "pressure", "others_cpu_pinned")
    assert [found.isolation[name] for name in names] == [None] * 4
    assert found.warnings == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"pools": {**POOLS, "numba": 2}},
            "thread pool 'numba' went from 1 to 2 threads",
        ),
        (
            {"pools": {**POOLS, "openmp:libomp.so": 4}},
            "thread pool 'openmp:libomp.so' went from None to 4 threads",
        ),
        ({"affinity": (2, 3)}, "CPU affinity went from (3,) to (2, 3)"),
        ({"governor": "powersave"}, "CPU governor went from performance to powersave"),
        (
            {"gpu": {**GPU, "throttle_reasons": ["power cap"]}},
            "the GPU was throttled meanwhile: power cap",
        ),
        ({"gpu": {**GPU, "other_processes": 1}}, "another process came to the GPU"),
    ],
)
def test_a_setting_that_changed_is_a_fault(changes, fault):
    """A number measured on two settings belongs to neither."""
    before = dataclasses.replace(BEFORE, gpu=GPU)
    after = dataclasses.replace(QUIET, **{"gpu": GPU, **changes})
    assert environment_changes(before, after) == [fault]
    assert compare(before, after, 1, 1).faults == [fault]


def test_a_gpu_that_others_use_is_a_busy_machine():
    """Other processes and throttling that were there from the start are told, not a fault."""
    gpu = {"throttle_reasons": ["power cap"], "other_processes": 2}
    found = seen(dataclasses.replace(BEFORE, gpu=gpu), gpu=gpu)
    assert found.faults == []
    assert found.warnings == [
        "busy machine: 2 other processes on the GPU",
        "busy machine: the GPU is throttled: power cap",
    ]


def test_a_pool_that_disobeys_is_a_fault():
    """It was asked for 1 and says 2 from the start."""
    before = dataclasses.replace(BEFORE, pools={**POOLS, "numba": 2})
    after = dataclasses.replace(QUIET, pools={**POOLS, "numba": 2})
    assert compare(before, after, 1, 1).faults == ["thread pool 'numba' has 2 threads, expected 1"]


STRANGER = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
os.sched_setaffinity(0, {int(sys.argv[1])})
print(os.getpid(), flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    pass
"""
MEASURED = """
import sys, time
from harness.measure.workplace import MEASURE, Workplace
place = Workplace()
place.settle(MEASURE, 1)
(cpu,) = place.watch().seen.isolation["affinity"]["measure"]
print(cpu, flush=True)
sys.stdin.readline()
with place.watch() as watch:
    end = time.perf_counter() + 2
    while time.perf_counter() < end:
        pass
print(watch.seen.isolation["others_cpu_pinned"], flush=True)
"""


def test_a_stranger_on_the_same_cpu_is_seen():
    """A real one, no child of the measured process: about half of the CPU goes to it.

    Above 0.25, as on a shared machine more than two may want the CPU.
    """
    command = [sys.executable, "-c", MEASURED]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as measured:
        cpu = measured.stdout.readline().strip()
        with subprocess.Popen(
            [sys.executable, "-c", STRANGER, cpu], stdout=subprocess.PIPE, text=True
        ) as parent:
            stranger = int(parent.stdout.readline())
            try:
                measured.stdin.write("\n")
                measured.stdin.flush()
                used = float(measured.stdout.readline())
            finally:
                os.kill(stranger, 9)
    assert 0.25 < used < 1.0


def test_a_watch_puts_what_is_known_in_front():
    """Facts and warnings of the workplace stand in the record with those of the watch."""
    place = Workplace(limits={"time_limit_s": 5.0})
    allowed = os.sched_getaffinity(0)
    try:
        place.settle(MEASURE, 1)
        with place.watch() as watch:
            time.sleep(0.01)
    finally:
        os.sched_setaffinity(0, allowed)
    isolation = watch.seen.isolation
    assert isolation["limits"] == {"time_limit_s": 5.0}
    assert isolation["affinity"]["allowed"] == sorted(allowed)
    assert isolation["before"]["affinity"] == tuple(isolation["affinity"]["measure"])
    assert isolation["watched_s"] >= 0.01


def test_a_watch_reads_once_before_and_once_after():
    """Nothing is read inside: two snapshots, and none while the block runs."""
    taken = []

    def take():
        taken.append(len(taken))
        return (BEFORE, QUIET)[len(taken) - 1]

    with Watch(1, take=take) as watch:
        assert taken == [0]
    assert taken == [0, 1]
    assert watch.seen.isolation["watched_s"] == 10.0

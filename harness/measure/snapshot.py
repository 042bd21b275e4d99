"""Snapshots: what the machine says of its load and of its settings at one moment."""

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.measure.cpus import allowed_cpus
from harness.measure.nvml import device_index, gpu_state
from harness.measure.process_tree import MARKER, ProcessTree
from harness.measure.threads import Pools, read_pools

_GOVERNOR = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
# Columns of /proc/stat in which a CPU works; stolen time is another guest's work on it.
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One reading; None stands for "this machine does not say".

    Attributes
    ----------
    at_s : monotonic seconds.
    busy_s : CPU -> seconds it has worked since boot, in steps of 0.01 s, stolen time included.
    own_s : processor seconds of this process and of those it started.
    harness_s : processor seconds of the process that started this one as a worker, else 0.
    waited_s : seconds this thread was ready to run and had no CPU.
    throttled_s : seconds that a quota of the control group held processes back.
    switches, major_faults : times that this process lost its CPU, and waited for a disk.
    pools, affinity, governor, gpu : the settings, which stay the same while something is measured.
    load_average : runnable threads of the machine, mean of 1, 5 and 15 minutes.
    pressure_s : seconds since boot in which some thread of the machine waited for a CPU.
    memory_available_bytes, swap_used_bytes : of the machine.
    """

    at_s: float
    busy_s: Mapping[int, float]
    own_s: float
    harness_s: float
    waited_s: float | None
    throttled_s: float | None
    switches: int
    major_faults: int
    pools: Pools
    affinity: tuple[int, ...] | None
    governor: str | None
    gpu: Mapping[str, Any] | None
    load_average: tuple[float, float, float]
    pressure_s: float | None
    memory_available_bytes: int
    swap_used_bytes: int


def take_snapshot(device: str = "cpu") -> Snapshot:
    """Read everything once: a few milliseconds, so never inside what is timed."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    index = device_index(device)
    affinity = allowed_cpus()
    return Snapshot(
        busy_s=cpu_busy_s(_read("/proc/stat") or ""),
        own_s=_own_s(),
        harness_s=_harness_s(),
        waited_s=_waited_s(),
        throttled_s=_throttled_s(),
        switches=usage.ru_nivcsw,
        major_faults=usage.ru_majflt,
        pools=read_pools(),
        affinity=affinity,
        governor=_governor(affinity),
        gpu=None if index is None else gpu_state(index),
        load_average=os.getloadavg(),
        pressure_s=_pressure_s(_read("/proc/pressure/cpu") or ""),
        memory_available_bytes=psutil.virtual_memory().available,
        swap_used_bytes=psutil.swap_memory().used,
        at_s=time.perf_counter(),
    )


def cpu_busy_s(stat: str) -> dict[int, float]:
    r"""Return the seconds each CPU has worked, from the text of /proc/stat.

    >>> cpu_busy_s("cpu  9 0 9 9 0 0 0 9 0 0\ncpu0 300 0 100 900 50 0 0 25 7 0")
    {0: 4.25}
    """
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    found = {}
    for line in stat.splitlines():
        name, *values = line.split() or [""]
        if name.startswith("cpu") and name != "cpu":
            ticks = dict(zip(_COLUMNS, map(int, values), strict=False))
            found[int(name[3:])] = sum(ticks[column] for column in _BUSY) / ticks_per_s
    return found


def _own_s() -> float:
    """Return processor seconds of this process, of children it awaited and of those that live."""
    mine = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    tree = ProcessTree(os.getpid(), os.environ.get(MARKER, ""))
    return mine + tree.cpu_s(spare=os.getpid())


def _harness_s() -> float:
    if MARKER not in os.environ:  # not a worker: whoever started this process is not ours
        return 0.0
    try:
        times = psutil.Process(os.getppid()).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _waited_s() -> float | None:
    text = _read("/proc/thread-self/schedstat")
    return int(text.split()[1]) / 1e9 if text else None


def _throttled_s() -> float | None:
    """Return the time held back by a CPU quota: of control groups v2, or of v1 in containers."""
    for path, scale in (("/sys/fs/cgroup/cpu.stat", 1e6), ("/sys/fs/cgroup/cpu/cpu.stat", 1e9)):
        for line in (_read(path) or "").splitlines():
            name, _, value = line.partition(" ")
            if name in ("throttled_usec", "throttled_time"):
                return int(value) / scale
    return None


def _pressure_s(text: str) -> float | None:
    """Return the total of the line ``some``, which is in microseconds."""
    for line in text.splitlines():
        if line.startswith("some"):
            return int(line.rpartition("=")[2]) / 1e6
    return None


def _governor(cpus: tuple[int, ...] | None) -> str | None:
    names = {_read(_GOVERNOR.format(cpu)) for cpu in cpus or ()} - {None}
    return ", ".join(sorted(str(name).strip() for name in names)) or None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:
        return None

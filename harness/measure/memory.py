"""Memory of this process as the kernel accounts for it: peaks by phase, anonymous and mapped pages.

The kernel keeps the largest resident set (VmHWM), native libraries included, and forgets it when
asked to (Linux, ``/proc/self/clear_refs``), which is what makes a peak of one phase possible.
Where that is forbidden a thread samples the resident set instead, and what comes and goes between
two samples is missed.
"""

import gc
import threading
from collections.abc import Iterable
from pathlib import Path

import psutil
import torch

RESET = "5"  # proc(5): "the peak resident set size is reset to the current value"
SAMPLE_S = 0.002
SAMPLED = "peaks of phases were sampled every 2 ms: the kernel's own peak cannot be reset here"
SELF = Path("/proc/self")


def forget_device_peak(device: str) -> None:
    """Let `peak_device_bytes` begin anew; nothing on the CPU."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def peak_device_bytes(device: str) -> int | None:
    """Return the most device memory torch had allocated, in bytes; None on the CPU.

    Memory that other libraries take on the device (faiss) is not in it.
    """
    if not device.startswith("cuda"):
        return None
    return int(torch.cuda.max_memory_allocated())


def status_bytes(name: str) -> int:
    """Return a size from ``/proc/self/status``, such as VmHWM, VmRSS or RssAnon, in bytes."""
    lines = (SELF / "status").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(size) * 1024


def room_bytes(limit_bytes: int | None) -> int:
    """Return a quarter of the memory that is available, half of what a limit leaves if less.

    What the harness may take beside a method without being felt.
    """
    room = psutil.virtual_memory().available // 4
    if limit_bytes is None:
        return room
    return min(room, max(0, limit_bytes - status_bytes("VmRSS")) // 2)


def anonymous_bytes() -> int:
    """Return the resident memory that no file backs, garbage collected first, in bytes.

    By a walk over the pages, not from ``/proc/self/status``, whose counters are per CPU and not
    exact on a machine of many.
    """
    gc.collect()
    lines = (SELF / "smaps_rollup").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("Anonymous:"))
    return int(size) * 1024


def mapped_bytes(folder: Path) -> int:
    """Return what is resident of the files under ``folder`` that are mapped, in bytes."""
    return sum_mapped((SELF / "smaps").read_text().splitlines(), f"{folder.resolve()}/")


def sum_mapped(smaps: Iterable[str], start: str) -> int:
    """Return the sum of Rss, in bytes, over mappings of files whose path begins with ``start``."""
    total, counts = 0, False
    for line in smaps:
        name, *rest = line.split(maxsplit=5)
        if not name.endswith(":"):  # the head of a mapping: range, rights, ..., path
            counts = len(rest) == 5 and rest[4].startswith(start)
        elif counts and name == "Rss:":
            total += int(rest[0]) * 1024
    return total


class PhasePeak:
    """The largest resident set during one phase of this process.

    Phases follow one another, they do not overlap: each begins by making the kernel forget.
    """

    def __init__(self, *, may_sample: bool = True) -> None:
        """Begin the phase.

        Parameters
        ----------
        may_sample : False while something is timed: then the peak of before stays in the number
            where the kernel cannot be made to forget it.
        """
        self._sampler = None if _forget_peak() or not may_sample else _Sampler()

    @property
    def is_sampled(self) -> bool:
        """Return whether samples stand in for the kernel's peak; see `SAMPLED`."""
        return self._sampler is not None

    def stop(self) -> int:
        """End the phase and return its peak, in bytes."""
        if self._sampler is not None:
            return self._sampler.stop()
        return status_bytes("VmHWM")


def _forget_peak() -> bool:
    """Make the kernel forget the peak; False where forbidden."""
    try:
        (SELF / "clear_refs").write_text(RESET)
    except OSError:
        return False
    return True


class _Sampler:
    """A thread that looks at the resident set again and again."""

    def __init__(self) -> None:
        self._peak = status_bytes("VmRSS")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self._peak = max(self._peak, status_bytes("VmRSS"))

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return max(self._peak, status_bytes("VmRSS"))

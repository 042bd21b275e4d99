"""Endings: how a trial's processes ended, in the words of its record."""

import signal
from dataclasses import dataclass

from harness.record import Status
from harness.run.trial_spec import TrialSpec

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trial ended: Status.OK, or why not.

    Attributes
    ----------
    held_bytes : most memory that its processes were seen to hold together; None when not looked at.
    """

    status: Status
    reason: str | None = None
    held_bytes: int | None = None


def over_time(spec: TrialSpec, stage: str) -> Ending:
    """Return the ending of a trial that was killed at its time limit."""
    limit = f"time_limit_s = {spec.time_limit_s:g} s"
    return Ending(Status.TIMEOUT, f"ran past {limit} during {stage!r}")


def over_memory(spec: TrialSpec, stage: str, held_bytes: int, n_processes: int) -> Ending:
    """Return the ending of a trial that was killed at its memory limit."""
    reason = (
        f"{n_processes} processes held {held_bytes / MEGABYTE:.0f} MB together, "
        f"past {memory_limit_text(spec)}, during {stage!r}"
    )
    return Ending(Status.OUT_OF_MEMORY, reason, held_bytes)


def told_out_of_memory(spec: TrialSpec, error: str, stage: str, log: str) -> Ending:
    """Return the ending of a trial whose libraries said that memory ran out."""
    where = f"during {stage!r}, {memory_limit_text(spec)} {log}"
    return Ending(Status.OUT_OF_MEMORY, f"{error}; {where}")


def death(code: int, stage: str, log: str, n_kernel_kills: int) -> Ending:
    """Return the ending of a worker that said no last word.

    Parameters
    ----------
    code : exit status, or minus the number of the signal that killed it.
    n_kernel_kills : processes that the kernel's OOM killer ended on this machine meanwhile.
    """
    where = f"during {stage!r} {log}"
    if code >= 0:
        return Ending(Status.FAILED, f"the process ended with status {code} {where}")
    if -code == signal.SIGKILL and n_kernel_kills:
        reason = f"killed by SIGKILL {where}, as the kernel's OOM killer acted"
        return Ending(Status.OUT_OF_MEMORY, reason)
    return Ending(Status.FAILED, f"killed by {_signal_name(-code)} {where}")


def memory_limit_text(spec: TrialSpec) -> str:
    """Return the memory limit as a record names it."""
    if spec.memory_limit_bytes is None:
        return "no memory limit set"
    return f"memory_limit_mb = {spec.memory_limit_bytes / MEGABYTE:g} MB"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"

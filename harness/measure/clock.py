"""The clock: monotonic, whole nanoseconds; a device finishes its work before each reading."""

import itertools
import time
from collections.abc import Callable

import torch

SPIN_NS = 1_000_000  # the last millisecond of a wait is spent looking at the clock, not asleep
READINGS = 1000  # from which the step of a clock is taken


class Clock:
    """A clock for work on the host, or on a device whose work is awaited before each reading.

    A reading without the wait would stop when the work was handed over, not when it was done.

    Attributes
    ----------
    now_ns : returns the present time in nanoseconds since an arbitrary moment. On the host it is
        `time.perf_counter_ns` itself, without a call around it.
    work_ns : like `now_ns`, but on the host without the time in which this process had no CPU:
        the CPU time of all its threads. On a device, whose work that does not hold, `now_ns`.
    """

    now_ns: Callable[[], int]
    work_ns: Callable[[], int]

    def __init__(
        self,
        synchronise: Callable[[], object] | None = None,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take what waits for the device (None: nothing to wait for) and the sources of time."""
        self._synchronise = synchronise
        self._host_ns = now_ns
        self._sleep = sleep
        self.now_ns = now_ns if synchronise is None else self._synchronised_ns
        is_real_host = synchronise is None and now_ns is time.perf_counter_ns
        self.work_ns = time.process_time_ns if is_real_host else self.now_ns

    def __call__(self) -> float:
        """Return the present time in seconds."""
        return self.now_ns() * 1e-9

    def wait_until_ns(self, at_ns: int) -> None:
        """Return at ``at_ns``, at once when it has passed: asleep first, then awake to be exact."""
        ahead = at_ns - self._host_ns()
        if ahead > SPIN_NS:
            self._sleep((ahead - SPIN_NS) * 1e-9)
        while self._host_ns() < at_ns:
            pass

    def step_s(self) -> float:
        """Return the smallest step between successive readings that differ, seconds."""
        readings = [self.now_ns() for _ in range(READINGS)]
        steps = [b - a for a, b in itertools.pairwise(readings) if b > a]
        return min(steps, default=0) * 1e-9

    def _synchronised_ns(self) -> int:
        assert self._synchronise is not None, "only a clock with a device comes here"
        self._synchronise()
        return self._host_ns()


def clock_for(device: str) -> Clock:
    """Return a clock for work on ``device``: work handed to a GPU is awaited first."""
    return Clock(torch.cuda.synchronize if device.startswith("cuda") else None)

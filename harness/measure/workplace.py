"""The workplace of a trial: its CPUs and threads while it fits and while it is measured."""

from collections.abc import Mapping
from typing import Any

from harness.measure.cpus import allowed_cpus, choose_cpus, pin
from harness.measure.precision import keep_float32
from harness.measure.quiet import Surroundings, Watch
from harness.measure.threads import set_threads, verify_threads

FIT = "fit"
MEASURE = "measure"


class Workplace:
    """Sets threads and CPUs of this process for a phase, and watches over measurements.

    A phase runs on as many CPUs as it has threads, always the same ones of those that this process
    was allowed when it began; a fit on a GPU on one more, since another thread makes its batches.
    """

    def __init__(self, device: str = "cpu", limits: Mapping[str, Any] | None = None) -> None:
        """Take note of the CPUs that are allowed now; ``limits`` are recorded as they are."""
        self._device = device
        self._limits = dict(limits or {})
        self._allowed = allowed_cpus()
        self._cpus: dict[str, list[int] | None] = {}
        self._warnings: dict[str, list[str]] = {}
        self._threads: dict[str, int] = {}

    def settle(self, phase: str, n_threads: int) -> None:
        """Pin this process and set every pool for a phase; what fails is told by the records."""
        self._threads[phase] = n_threads
        feeds = phase == FIT and self._device != "cpu"
        self._cpus[phase], self._warnings[phase] = self._pin(n_threads, n_threads + feeds)
        set_threads(n_threads)
        keep_float32()
        if phase != MEASURE:  # while measuring it is a fault, which the watch tells
            _, faults = verify_threads(n_threads)
            self._warnings[phase] += [f"while {phase}: {fault}" for fault in faults]

    def watch(self) -> Watch:
        """Return a watch for one measurement in the phase `MEASURE`."""
        allowed = None if self._allowed is None else list(self._allowed)
        known = Surroundings(
            {"affinity": {"allowed": allowed, **self._cpus}, "limits": self._limits},
            [one for lines in self._warnings.values() for one in lines],
        )
        own_load = max(self._threads.values())
        return Watch(self._threads[MEASURE], device=self._device, own_load=own_load, known=known)

    def _pin(self, n_threads: int, n_cpus: int) -> tuple[list[int] | None, list[str]]:
        if self._allowed is None:
            return None, ["CPU affinity is not there on this system; the CPUs are not fixed"]
        cpus = choose_cpus(self._allowed, n_cpus)
        fault = pin(cpus)
        if fault is not None:
            return None, [fault]
        if len(cpus) < n_threads:
            return list(cpus), [f"{n_threads} threads share {len(cpus)} CPUs, all that are allowed"]
        return list(cpus), []

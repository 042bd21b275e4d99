"""Phases of the offline part: how long each took, and the largest resident set while it did."""

import contextlib
from collections.abc import Iterator

from harness.measure.clock import Clock
from harness.measure.memory import SAMPLED, PhasePeak
from harness.stages import Mark


class Phases:
    """Keeps seconds and peak bytes of named phases, and of the marks inside one.

    Attributes
    ----------
    seconds, peak_bytes : phase -> seconds and bytes; a phase that comes twice adds up its seconds
        and keeps the larger peak.
    warnings : what a reader of the peaks should know.
    """

    def __init__(self, clock: Clock) -> None:
        """Take the clock; on a device it waits for the device at each reading."""
        self._clock = clock
        self.seconds: dict[str, float] = {}
        self.peak_bytes: dict[str, int] = {}
        self.warnings: tuple[str, ...] = ()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Mark]:
        """Measure what happens inside; give a Mark for the stages that end there.

        A stage is what happened since the mark before. Its peak is part of the phase's.
        """
        start = last = self._clock()
        peak, highest = PhasePeak(), 0

        def mark(stage: str) -> None:
            nonlocal last, peak, highest
            now = self._clock()
            reached = peak.stop()
            self._keep(stage, now - last, reached)
            highest, peak, last = max(highest, reached), PhasePeak(), self._clock()

        try:
            yield mark
        finally:
            seconds, reached = self._clock() - start, peak.stop()
            self._keep(name, seconds, max(highest, reached))
            if peak.is_sampled:
                self.warnings = (SAMPLED,)

    def _keep(self, name: str, seconds: float, peak: int) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), peak)

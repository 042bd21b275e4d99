"""Two fresh processes that take turns, sample by sample: one pair of times of each benchmark.

Both are bound to one CPU, and one sleeps while the other works, so that what the machine does
meanwhile (its clock, what others do to the caches) falls on both alike.
"""

import contextlib
import json
import math
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.gate import timing_process
from harness.gate.revisions import Revision

SUITE = "suites/micro"
SINGLE = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
TIME_LIMIT_S = 900.0  # of one process
SETUPS, ROUNDS, MOST_S, MOST_WAITED = 5, 9, 1.5, 0.02

Pair = tuple[float, float] | str  # seconds of a call on both sides, or the side and its error
Sample = tuple[float, float]  # seconds of a call, share of the sample without a CPU


@dataclass(slots=True)
class Timer:
    """A process of `harness.gate.timing_process`, and what it said of itself."""

    revision: Revision
    process: "subprocess.Popen[str]"
    log: Path
    names: Sequence[str] = ()
    faults: Mapping[str, str] = field(default_factory=dict)

    def ask(self, line: str) -> Any:
        """Return the answer to a line.

        Raises
        ------
        HarnessError
            The process is gone; the last line that it printed is in the message.
        """
        assert self.process.stdin is not None, "a pipe was asked for"
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        return self.hear()

    def hear(self) -> Any:
        """Return what the process says next."""
        assert self.process.stdout is not None, "a pipe was asked for"
        text = self.process.stdout.readline()
        if not text:
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            commit = self.revision.commit[:12]
            raise HarnessError(f"benchmarks of {commit} cannot run: {' '.join(last)}")
        return json.loads(text)


@contextlib.contextmanager
def started(revision: Revision, benchmarks: Revision, pattern: str = "") -> Iterator[Timer]:
    """Start a process that runs the code of ``revision`` under the benchmarks of another.

    Raises
    ------
    HarnessError
        It cannot start, or runs other code than that of the checkout.
    """
    folder = benchmarks.folder / SUITE
    command = [revision.python, "-P", timing_process.__file__, str(folder), pattern]
    variables = {**os.environ, **dict.fromkeys(SINGLE, "1"), "PYTHONPATH": str(revision.folder)}
    with (
        tempfile.NamedTemporaryFile("w") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=variables,
            cwd=revision.folder,
        ) as process,
    ):
        limit = threading.Timer(TIME_LIMIT_S, process.kill)
        limit.start()
        try:
            timer = Timer(revision, process, Path(log.name))
            told = timer.hear()
            timer.names, timer.faults = told["names"], told["faults"]
            if Path(told["code"]).resolve().parent.parent != revision.folder.resolve():
                raise HarnessError(f"ran the code of {told['code']}, not of {revision.folder}")
            yield timer
        finally:
            limit.cancel()
            process.kill()
            if process.stdin is not None:  # a question to one that is gone may be left in the pipe
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()


def names_of(revision: Revision, pattern: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the benchmarks that a revision has, none where it has no folder of them.

    And the modules of benchmarks that its own code cannot import, each with the error.
    """
    if not (revision.folder / SUITE / timing_process.PACKAGE).is_dir():
        return [], {}
    with started(revision, revision, pattern) as timer:
        return timer.names, timer.faults


def take_pair(
    first: Revision, second: Revision, benchmarks: Revision, names: Sequence[str], number: int = 0
) -> dict[str, Pair]:
    """Return the seconds of each benchmark on both sides, from two processes that are fresh.

    Pairs of successive ``number`` use one CPU after another.
    """
    with started(first, benchmarks) as a, started(second, benchmarks) as b:
        for timer in (a, b):
            _bind(timer, number)
        return {name: _one(a, b, name) for name in names}


def _one(a: Timer, b: Timer, name: str) -> Pair:
    """Return the median seconds, and the median ratio, of several times that both set it up."""
    found = [_set_up_once(a, b, name) for _ in range(SETUPS)]
    if fault := next((one for one in found if isinstance(one, str)), None):
        return fault
    pairs = [one for one in found if not isinstance(one, str)]
    seconds = statistics.median(one for one, _ in pairs)
    return seconds, seconds * statistics.median(two / one for one, two in pairs)


def _set_up_once(a: Timer, b: Timer, name: str) -> Pair:
    for timer, side in ((a, "first"), (b, "second")):
        if fault := timer.ask(f"set {name}").get("error"):
            return f"{side}: {fault}"
    rounds: list[tuple[Sample, Sample]] = []
    undisturbed, begun = 0, time.monotonic()
    while undisturbed < ROUNDS and not (
        len(rounds) >= ROUNDS and time.monotonic() - begun > MOST_S
    ):
        both = (a, b) if len(rounds) % 2 == 0 else (b, a)
        taken = [timer.ask("take") for timer in both]
        if fault := next((one["error"] for one in taken if isinstance(one, dict)), None):
            return f"{'first' if isinstance(taken[both.index(a)], dict) else 'second'}: {fault}"
        rounds.append((taken[both.index(a)], taken[both.index(b)]))
        undisturbed += _waited(rounds[-1]) <= MOST_WAITED
    for timer in (a, b):
        timer.ask("end")
    return _times(rounds)


def _bind(timer: Timer, number: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # no affinity here
        cpus = sorted(os.sched_getaffinity(0), reverse=True)
        os.sched_setaffinity(timer.process.pid, {cpus[number % len(cpus)]})


def _times(rounds: Sequence[tuple[Sample, Sample]]) -> tuple[float, float]:
    """Return seconds of the first, and those times the median ratio of the rounds.

    Rounds in which either waited for a CPU are left out. Where fewer than a third of the rounds
    wanted are left, the half that waited least stands, in seconds of the processor.
    """
    kept = [one for one in rounds if _waited(one) <= MOST_WAITED]
    if len(kept) < ROUNDS // 3:
        least = sorted(rounds, key=_waited)[: len(rounds) // 2 + 1]
        kept = [(_worked(a), _worked(b)) for a, b in least]
    seconds = statistics.median(a for (a, _), _ in kept)
    ratio = statistics.median(math.log(b / a) for (a, _), (b, _) in kept)
    return seconds, seconds * math.exp(ratio)


def _worked(one: Sample) -> Sample:
    """Return a sample with the time left out in which it had no CPU."""
    seconds, waited = one
    return max(seconds * (1 - waited), 1e-12), 0.0


def _waited(one: tuple[Sample, Sample]) -> float:
    return max(one[0][1], one[1][1])

"""The executor: one fresh process per trial, a time limit, and a record whatever happens."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.record import Record, Status
from harness.run.messages import Failure, Finished, Message, Skipped, Stage, parse_message
from harness.run.trial_spec import Place, TrialSpec

# Set before any library is imported in the worker; `harness.measure.threads` reads them back.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
POLL_S = 0.5

OnStage = Callable[[Stage], None]
OnRecord = Callable[[Record], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trial's process ended: Status.OK, or why not."""

    status: Status
    reason: str | None = None


def execute(
    spec: TrialSpec,
    place: Place,
    on_stage: OnStage,
    on_record: OnRecord,
) -> Ending:
    """Run one trial in a process of its own and hand on its records as they come.

    The process and its children are killed at the time limit, and when this call is left by an
    exception (Ctrl-C). What it prints goes to ``logs/<trial id>.log``.
    """
    log_path = place.folder / "logs" / f"{spec.trial_id}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    stage = Stage("start", 0, 1)
    ending: Ending | None = None
    with log_path.open("wb") as log, _worker(spec, place, log) as (process, pipe):
        for message in _messages(pipe, time.monotonic() + spec.time_limit_s):
            match message:
                case Stage():
                    stage = message
                    on_stage(stage)
                case Record() if ending is None:  # after a fault nothing on the pipe is trusted
                    on_record(message)
                case Failure(reason):
                    ending = Ending(Status.FAILED, f"{reason} (log: logs/{log_path.name})")
                case Skipped(reason):
                    ending = Ending(Status.SKIPPED, reason)
                case Finished():
                    ending = ending or Ending(Status.OK)  # an earlier failure stands
                case None:
                    reason = f"ran past {limit_text(spec)} during {stage.name!r}"
                    return Ending(Status.TIMEOUT, reason)
        code = process.wait()
    return ending or Ending(Status.FAILED, _death(code, stage, log_path))


def limit_text(spec: TrialSpec) -> str:
    """Return the time limit as a record of failure names it."""
    return f"time_limit_s = {spec.time_limit_s:g} s"


@contextlib.contextmanager
def _worker(
    spec: TrialSpec, place: Place, log: IO[bytes]
) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", "harness.run.worker", str(writing)]
    command += [place.attempt, str(place.folder)]
    command += [] if place.data_root is None else [str(place.data_root)]
    n_threads = str(max(spec.threads, spec.fit_threads))
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=(writing,),
        start_new_session=True,  # a group of its own, so that its children die with it
        env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, n_threads)},
    )
    os.close(writing)
    assert process.stdin is not None, "a pipe was asked for"
    with open(reading, "rb", buffering=0) as pipe:  # noqa: PTH123  a descriptor, not a path
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once; the pipe says so below
                process.stdin.write(spec.to_json().encode() + b"\n")
                process.stdin.flush()
            yield process, pipe
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()


def _messages(pipe: IO[bytes], deadline: float) -> Iterator[Message | None]:
    """Yield messages until the pipe ends; None when the deadline has passed."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if time.monotonic() > deadline:
                yield None
                return
            if not selector.select(POLL_S):
                continue
            chunk = pipe.read(1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield _message_or_failure(line)


def _message_or_failure(line: bytes) -> Message:
    try:
        return parse_message(line)
    except Exception as error:  # the worker's channel holds something else
        return Failure(f"the worker sent something that is no message: {error}")


def _death(code: int, stage: Stage, log_path: Path) -> str:
    where = f"during {stage.name!r} (log: logs/{log_path.name})"
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}, {where}"
    return f"the process ended with status {code} {where}"

"""Starting a worker: its environment, its channel, and the end of everything it started."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from harness.measure.process_tree import MARKER, ProcessTree
from harness.run.channel import Channel
from harness.run.trial_spec import Place, TrialSpec

# Set before any library is imported in the worker; `harness.measure.threads` reads the pools back.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",  # OpenMP: torch, faiss, numba where it uses it
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# Else OpenMP and MKL may give fewer threads than asked for, as they see fit from call to call.
FIXED = {"OMP_DYNAMIC": "FALSE", "MKL_DYNAMIC": "FALSE"}


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that runs: its process, its channel, and all processes that belong to it."""

    process: "subprocess.Popen[bytes]"
    channel: Channel
    tree: ProcessTree


@contextlib.contextmanager
def spawned_worker(spec: TrialSpec, place: Place, log: IO[bytes]) -> Iterator[Worker]:
    """Start the worker of a trial; on leaving, kill it and every process that came of it.

    What it prints goes to ``log``, where processes that could not be killed are named too.
    """
    reading, writing = os.pipe()
    with Channel(reading) as channel:
        try:
            process = subprocess.Popen(
                [*_command(place, writing)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                start_new_session=True,  # Ctrl-C on the terminal is for the run to deal with
                env={**os.environ, **thread_environment(spec), MARKER: place.attempt},
            )
        finally:
            os.close(writing)
        assert process.stdin is not None, "a pipe was asked for"
        tree = ProcessTree(process.pid, place.attempt)
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once; its channel says so
                process.stdin.write(spec.to_json().encode() + b"\n")
                process.stdin.flush()
            with _guarded(process.pid, place.attempt):
                yield Worker(process, channel, tree)
        finally:
            if undead := tree.kill():
                log.write(f"matchbench: could not kill the processes {undead}\n".encode())
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            if process.pid not in undead:
                process.wait()


@contextlib.contextmanager
def _guarded(pid: int, attempt: str) -> Iterator[None]:
    """Have a process at hand that ends the trial should this one be killed inside."""
    command = [sys.executable, "-P", "-m", "harness.run.guardian", str(pid), attempt]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as guardian:
        yield
        with contextlib.suppress(BrokenPipeError):
            guardian.communicate(b".")


def thread_environment(spec: TrialSpec) -> Mapping[str, str]:
    """Return the variables that size thread pools: for the phase that needs more threads."""
    n_threads = str(max(spec.threads, spec.fit_threads))
    return {**dict.fromkeys(THREAD_VARIABLES, n_threads), **FIXED}


def _command(place: Place, descriptor: int) -> list[str]:
    command = [sys.executable, "-P", "-m", "harness.run.worker", str(descriptor)]
    command += [place.attempt, str(place.folder)]
    return command + ([] if place.data_root is None else [str(place.data_root)])

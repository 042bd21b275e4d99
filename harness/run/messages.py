"""What a worker tells the run: one JSON object a line on a pipe of its own."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from harness.record import Record


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a trial is: ``done`` of ``total`` steps of a named stage."""

    name: str
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a trial of `matchbench tune` came to on the validation part.

    Attributes
    ----------
    value : mean over validation queries of the metric, in the best of the search settings.
    search : that setting.
    n_queries : validation queries.
    fit_s, build_s : seconds of each.
    """

    value: float
    search: Mapping[str, Any]
    n_queries: int
    fit_s: float
    build_s: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial ended early, in a line; the traceback is in the trial's log."""

    reason: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The error, in a line, by which the trial was told that memory ran out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """What this machine lacks for the trial."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The trial wrote all its records."""


Message = Stage | Failure | OutOfMemory | Skipped | Finished | Record | Scored


class Sender:
    """The worker's end of the pipe."""

    def __init__(self, pipe: IO[bytes]) -> None:
        """Take an unbuffered pipe."""
        self._pipe = pipe

    def stage(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Send a Stage; has the form of `harness.progress.Progress`."""
        self._send({"stage": [stage, done, total, note]})

    def record(self, record: Record) -> None:
        """Send one record."""
        self._send({"record": record.to_json()})

    def scored(self, scored: Scored) -> None:
        """Send what a trial came to on validation."""
        self._send({"scored": dataclasses.asdict(scored)})

    def failure(self, reason: str) -> None:
        """Say why the trial ended early."""
        self._send({"failure": reason})

    def out_of_memory(self, reason: str) -> None:
        """Say which error told that memory ran out."""
        self._send({"out_of_memory": reason})

    def skipped(self, reason: str) -> None:
        """Say what this machine lacks for the trial."""
        self._send({"skipped": reason})

    def finished(self) -> None:
        """Say that nothing more comes."""
        self._send({"finished": True})

    def _send(self, values: Mapping[str, Any]) -> None:
        self._pipe.write(json.dumps(values).encode() + b"\n")
        self._pipe.flush()


def parse_message(line: bytes) -> Message:
    """Read one line of the pipe.

    Raises
    ------
    ValueError
        The line is no message: a library wrote to the pipe, or the worker died while writing.
    """
    values = json.loads(line)
    match values:
        case {"stage": [str(name), int(done), int(total), str(note)]}:
            return Stage(name, done, total, note)
        case {"record": str(text)}:
            return Record.from_json(text)
        case {"scored": dict(fields)}:
            return Scored(**fields)
        case {"failure": str(reason)}:
            return Failure(reason)
        case {"out_of_memory": str(reason)}:
            return OutOfMemory(reason)
        case {"skipped": str(reason)}:
            return Skipped(reason)
        case {"finished": True}:
            return Finished()
    raise ValueError(f"not a message: {line[:80]!r}")

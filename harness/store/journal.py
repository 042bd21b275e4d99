"""The journal: ``records.jsonl``, one record a line, appended, flushed and never edited."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RecordError
from harness.record import Record

NAME = "records.jsonl"


def read_records(folder: Path) -> list[Record]:
    """Return every record of a results folder, in the order written.

    Raises
    ------
    RecordError
        No such folder or journal, a line that is no record, or a last line that was cut.
    """
    path = folder / NAME
    if not path.is_file():
        raise RecordError(f"{path}: no such file; `matchbench run SUITE --out {folder}` makes it")
    whole, cut = _whole_lines(path)
    if cut:
        raise RecordError(
            f"{path}: line {len(whole) + 1} was cut after {len(cut)} bytes, as when a run is "
            f"killed while writing; the {len(whole)} lines before it are whole. "
            f"`matchbench run SUITE --out {folder}` sets the cut line aside and goes on"
        )
    return _parse(path, whole)


class Journal:
    """The journal of one folder, opened by the one process that may write to it."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; `opened` makes and locks it. ``added`` is what `append` has added."""
        self.folder = folder
        self.path = folder / NAME
        self.set_aside: Path | None = None
        self.added: list[Record] = []

    @contextmanager
    def opened(self) -> Iterator[list[Record]]:
        """Make the folder, lock the journal, and give the records already there.

        A last line that was cut is moved to a file of its own (`set_aside`), nothing is deleted.

        Raises
        ------
        RecordError
            The folder cannot be written, another process holds it, or an earlier line is damaged.
        """
        try:
            for folder in (self.folder / "logs", self.folder / "per_query"):
                folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
        except OSError as error:
            raise RecordError(f"{self.folder}: cannot be written: {error.strerror}") from error
        with self._file:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RecordError(f"{self.path}: another run is writing to it") from error
            whole, cut = _whole_lines(self.path)
            if cut:
                self._move_aside(cut)
            yield _parse(self.path, whole)

    def append(self, record: Record) -> None:
        """Add one record; it is on disk when this returns."""
        self._file.write(record.to_json().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.added.append(record)

    def _move_aside(self, cut: bytes) -> None:
        number = 1
        while (aside := self.path.with_name(f"{NAME}.cut-{number}")).exists():
            number += 1
        aside.write_bytes(cut)
        self._file.truncate(self.path.stat().st_size - len(cut))
        self.set_aside = aside


def _whole_lines(path: Path) -> tuple[list[bytes], bytes]:
    content = path.read_bytes()
    *whole, cut = content.split(b"\n")
    return whole, cut


def _parse(path: Path, lines: list[bytes]) -> list[Record]:
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(Record.from_json(line.decode()))
        except (RecordError, UnicodeDecodeError) as error:
            raise RecordError(f"{path}: line {number} {error}") from error
    return records

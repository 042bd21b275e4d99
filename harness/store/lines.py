"""LineFile: one entry a line, appended, flushed and never edited, by one process at a time."""

import fcntl
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from harness.errors import RecordError

Entry = TypeVar("Entry")


class LineFile(Generic[Entry]):
    """A file of one folder; a subclass says its name and what a line is.

    Attributes
    ----------
    set_aside : where a last line that was cut now lies, or None.
    added : what `append` has added.
    """

    name: ClassVar[str]
    folders: ClassVar[tuple[str, ...]] = ("logs",)  # made beside it

    def __init__(self, folder: Path) -> None:
        """Name the folder; `opened` makes and locks it."""
        self.folder = folder
        self.path = folder / self.name
        self.set_aside: Path | None = None
        self.added: list[Entry] = []

    @abstractmethod
    def parse(self, line: str) -> Entry:
        """Read a line; a RecordError says what is wrong with it."""

    @abstractmethod
    def line(self, entry: Entry) -> str:
        """Return the line of an entry."""

    @contextmanager
    def opened(self) -> Iterator[list[Entry]]:
        """Make the folder, lock the file, and give the entries already there.

        A last line that was cut is moved to a file of its own (`set_aside`), nothing is deleted.

        Raises
        ------
        RecordError
            The folder cannot be written, another process holds it, or an earlier line is damaged.
        """
        try:
            for folder in (self.folder, *(self.folder / name for name in self.folders)):
                folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
        except OSError as error:
            raise RecordError(f"{self.folder}: cannot be written: {error.strerror}") from error
        with self._file:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RecordError(f"{self.path}: another run is writing to it") from error
            whole, cut = whole_lines(self.path)
            if cut:
                self._move_aside(cut)
            yield parse_lines(self.path, whole, self.parse)

    def append(self, entry: Entry) -> None:
        """Add one entry; it is on disk when this returns."""
        self._file.write(self.line(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.added.append(entry)

    def _move_aside(self, cut: bytes) -> None:
        number = 1
        while (aside := self.path.with_name(f"{self.name}.cut-{number}")).exists():
            number += 1
        aside.write_bytes(cut)
        self._file.truncate(self.path.stat().st_size - len(cut))
        self.set_aside = aside


def whole_lines(path: Path) -> tuple[list[bytes], bytes]:
    """Return the lines of a file that are whole, and what of the last was cut."""
    *whole, cut = path.read_bytes().split(b"\n")
    return whole, cut


def parse_lines(path: Path, lines: Sequence[bytes], parse: Callable[[str], Entry]) -> list[Entry]:
    """Return the entry of each line.

    Raises
    ------
    RecordError
        A line is none; names the file and the line.
    """
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(parse(line.decode()))
        except (RecordError, UnicodeDecodeError) as error:
            raise RecordError(f"{path}: line {number} {error}") from error
    return entries

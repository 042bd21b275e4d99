"""The journal: ``records.jsonl``, one record a line, appended, flushed and never edited."""

from pathlib import Path
from typing import ClassVar

from harness.errors import RecordError
from harness.record import Record
from harness.store.lines import LineFile, parse_lines, whole_lines

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
    whole, cut = whole_lines(path)
    if cut:
        raise RecordError(
            f"{path}: line {len(whole) + 1} was cut after {len(cut)} bytes, as when a run is "
            f"killed while writing; the {len(whole)} lines before it are whole. "
            f"`matchbench run SUITE --out {folder}` sets the cut line aside and goes on"
        )
    return parse_lines(path, whole, Record.from_json)


class Journal(LineFile[Record]):
    """The journal of one folder, opened by the one process that may write to it."""

    name: ClassVar[str] = NAME
    folders: ClassVar[tuple[str, ...]] = ("logs", "per_query")

    def parse(self, line: str) -> Record:
        """Read a record."""
        return Record.from_json(line)

    def line(self, entry: Record) -> str:
        """Return the line of a record."""
        return entry.to_json()

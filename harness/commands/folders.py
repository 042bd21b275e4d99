"""Folders of results: one as a run, several as one."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from harness.commands.table import floor_for
from harness.compare.joining import Joined, join_runs
from harness.compare.points import Run
from harness.errors import RecordError
from harness.query_values import QueryValues
from harness.record import Record, latest_attempts
from harness.store.journal import read_records
from harness.store.query_file import read_query_values


def open_run(folder: Path, noise: Path | None) -> Run:
    """Return the standing records of a folder.

    Raises
    ------
    RecordError
        It cannot be read, or it holds no record.
    """
    records = read_records(folder)
    standing = [one for attempt in latest_attempts(records).values() for one in attempt]
    if not standing:
        raise RecordError(f"{folder}: holds no records yet")
    return Run(str(folder), standing, partial(_read, folder), floor_for(noise, folder))


def open_joined(folders: Sequence[Path], noise: Path | None) -> Joined:
    """Return the standing records of several folders as one run.

    Raises
    ------
    RecordError
        One of them cannot be read, or holds no record.
    """
    return join_runs([open_run(one, noise) for one in folders])


def _read(folder: Path, record: Record) -> QueryValues | None:
    """Return the values of a record's queries, None where the folder does not hold their file."""
    if record.per_query is None or not (folder / record.per_query).exists():
        return None
    return read_query_values(folder, record.per_query)

"""``matchbench report``: one page from the records of a folder; nothing is run."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.commands.compare import read_published
from harness.commands.folders import open_joined
from harness.commands.frontier import metric_of
from harness.commands.shipped import suite_folders
from harness.commands.since import changed_since
from harness.compare.points import Run
from harness.errors import RecordError
from harness.record import Record
from harness.report.material import Material, material_of
from harness.report.page.document import page_of
from harness.store.query_file import read_latencies


def main(options: argparse.Namespace) -> int:
    """Write the page."""
    material = open_material(options)
    material = replace(material, changed=changed_since(material.run.records, suite_folders()))
    page = page_of(material, read_published(options.published))
    write(options.out or options.folders[0] / "report.html", page.encode())
    return 0


def open_material(options: argparse.Namespace) -> Material:
    """Return what pages and figures of one folder, or of several as one run, are made of.

    Raises
    ------
    RecordError
        A folder cannot be read or holds no record, or no record has the metric.
    """
    joined = open_joined(options.folders, options.noise)
    run = joined.run
    metric = metric_of(run, options.metric and [options.metric])
    folders = [options.folders[number] for number in joined.origins]
    return material_of(run, metric, Latencies(folders, run).read, joined.refused)


class Latencies:
    """Reads the raw times of records: the number of a load is its place among its siblings."""

    def __init__(self, folders: Sequence[Path], run: Run) -> None:
        """Give each load of an operating point its number; ``folders`` hold the run's records."""
        self._files: dict[Path, dict[int, npt.NDArray[np.float64]]] = {}
        self._numbers: dict[int, int] = {}
        self._folders = {id(one): folder for one, folder in zip(run.records, folders, strict=True)}
        siblings: dict[tuple[str, str | None], list[Record]] = {}
        for one in run.records:
            siblings.setdefault((one.attempt, one.per_query), []).append(one)
        for group in siblings.values():
            self._numbers |= {id(one): number for number, one in enumerate(group)}

    def read(self, record: Record) -> npt.NDArray[np.float64] | None:
        """Return the seconds of each timed query, None where the file has not as many as timed."""
        if record.per_query is None:
            return None
        folder = self._folders[id(record)]
        path = folder / record.per_query
        if not path.is_file():
            return None
        if path not in self._files:
            self._files[path] = read_latencies(folder, record.per_query)
        times = self._files[path].get(self._numbers[id(record)])
        return times if times is not None and times.size == record.n_timed else None


def write(path: Path, content: bytes) -> None:
    """Write a file and say where it lies.

    Raises
    ------
    RecordError
        It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}") from error
    print(f"{path}: {len(content) / 1e3:,.0f} kB")

"""``matchbench report``: one page from the records of a folder; nothing is run."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.commands.compare import open_run, read_published
from harness.commands.frontier import metric_of
from harness.compare.points import Run
from harness.errors import RecordError
from harness.record import Record
from harness.report.material import Material, material_of
from harness.report.page.document import page_of
from harness.store.query_file import read_latencies


def main(options: argparse.Namespace) -> int:
    """Write the page."""
    page = page_of(open_material(options), read_published(options.published))
    write(options.out or options.folder / "report.html", page.encode())
    return 0


def open_material(options: argparse.Namespace) -> Material:
    """Return what pages and figures of a folder are made of.

    Raises
    ------
    RecordError
        The folder cannot be read or holds no record, or no record has the metric.
    """
    run = open_run(options.folder, options.noise)
    metric = metric_of(run, options.metric and [options.metric])
    return material_of(run, metric, Latencies(options.folder, run).read)


class Latencies:
    """Reads the raw times of records: the number of a load is its place among its siblings."""

    def __init__(self, folder: Path, run: Run) -> None:
        """Give each load of an operating point its number."""
        self._folder = folder
        self._files: dict[str, dict[int, npt.NDArray[np.float64]]] = {}
        self._numbers: dict[int, int] = {}
        siblings: dict[tuple[str, str | None], list[Record]] = {}
        for one in run.records:
            siblings.setdefault((one.attempt, one.per_query), []).append(one)
        for group in siblings.values():
            self._numbers |= {id(one): number for number, one in enumerate(group)}

    def read(self, record: Record) -> npt.NDArray[np.float64] | None:
        """Return the seconds of each timed query, None where the file has not as many as timed."""
        if record.per_query is None or not (self._folder / record.per_query).is_file():
            return None
        if record.per_query not in self._files:
            self._files[record.per_query] = read_latencies(self._folder, record.per_query)
        times = self._files[record.per_query].get(self._numbers[id(record)])
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

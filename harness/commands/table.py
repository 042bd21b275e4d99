"""``matchbench table``: the tables of a results folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.compare.frame import to_frame
from harness.noise_floor import NoiseFloor
from harness.record import Record, latest_attempts
from harness.report.caption import caption_of
from harness.report.table import Format, render
from harness.report.views import View
from harness.store.journal import read_records
from harness.store.noise_file import find_floor, read_floor


def main(options: argparse.Namespace) -> int:
    """Print one table per suite in the folder."""
    standing = latest_attempts(read_records(options.folder))
    records = [one for attempt in standing.values() for one in attempt]
    floor = floor_for(options.noise, options.folder)
    for number, suite in enumerate(dict.fromkeys(one.suite for one in records)):
        if number:
            print()
        of_suite = [one for one in records if one.suite == suite]
        print_table(of_suite, options.form, floor, options.view)
    return 0


def floor_for(given: Path | None, folder: Path) -> NoiseFloor | None:
    """Return the noise floor that was asked for, else the one that lies in the folder, or None."""
    return find_floor(folder) if given is None else read_floor(given)


def print_table(
    records: Sequence[Record],
    form: Format,
    floor: NoiseFloor | None = None,
    view: View = "main",
) -> None:
    """Print one view of one suite's records."""
    metrics = list(dict.fromkeys(name for one in records for name in one.metrics))
    caption = "" if form == "csv" else caption_of(records, floor)
    print(render(to_frame(records, floor), metrics, form, caption, view))

"""``matchbench table``: the tables of a results folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.compare.frame import to_frame
from harness.compare.grouping import comparable
from harness.noise_floor import NoiseFloor
from harness.record import Record, latest_attempts
from harness.report.caption import caption_of
from harness.report.table import Format, render
from harness.report.views import View
from harness.store.journal import read_records
from harness.store.noise_file import find_floor, read_floor


def main(options: argparse.Namespace) -> int:
    """Print the tables of the folder: one for all records that compare, see `comparable`."""
    records = read_records(options.folder)
    standing = [one for attempt in latest_attempts(records).values() for one in attempt]
    if not standing:
        print(f"no records in {options.folder} yet", file=sys.stderr)
        return 0
    print_tables(standing, options.form, floor_for(options.noise, options.folder), options.view)
    return 0


def floor_for(given: Path | None, folder: Path) -> NoiseFloor | None:
    """Return the noise floor that was asked for, else the one that lies in the folder, or None."""
    return find_floor(folder) if given is None else read_floor(given)


def print_tables(
    records: Sequence[Record],
    form: Format,
    floor: NoiseFloor | None = None,
    view: View = "main",
) -> None:
    """Print one view of records: a table for each group that compares, CSV as one."""
    groups = [list(records)] if form == "csv" else comparable(records)
    for number, group in enumerate(groups):
        if number:
            print()
        metrics = list(dict.fromkeys(name for one in group for name in one.metrics))
        caption = "" if form == "csv" else caption_of(group, floor)
        print(render(to_frame(group, floor), metrics, form, caption, view))

"""``matchbench table``: the table of a results folder."""

import argparse
from collections.abc import Sequence

from harness.compare.frame import to_frame
from harness.record import Record, latest_attempts
from harness.report.caption import caption_of
from harness.report.table import Format, render
from harness.store.journal import read_records


def main(options: argparse.Namespace) -> int:
    """Print one table per suite in the folder."""
    standing = latest_attempts(read_records(options.folder))
    records = [one for attempt in standing.values() for one in attempt]
    for number, suite in enumerate(dict.fromkeys(one.suite for one in records)):
        if number:
            print()
        print_table([one for one in records if one.suite == suite], options.form)
    return 0


def print_table(records: Sequence[Record], form: Format) -> None:
    """Print the table of one suite's records."""
    metrics = list(dict.fromkeys(name for one in records for name in one.metrics))
    print(render(to_frame(records), metrics, form, "" if form == "csv" else caption_of(records)))

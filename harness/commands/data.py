"""``matchbench data``: list, download and check datasets."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from tabulate import tabulate

from harness.data.catalog import DATASETS, data_root, is_present
from harness.data.fetch import Fact, add, check
from harness.errors import DatasetError


def main(options: argparse.Namespace) -> int:
    """Do what is asked; a fault of one dataset is raised after the others are done."""
    root: Path | None = options.data_root
    names: list[str] = options.names
    if options.action == "list":
        _list(root)
        return 0
    if options.action == "check" and not names:
        names = [one for one, entry in DATASETS.items() if entry.is_real and is_present(one, root)]
        if not names:
            raise DatasetError(f"no real dataset is in {data_root(root)}")
    if not names:
        raise DatasetError("`data add` needs the name of a dataset; see `matchbench data list`")
    faults = []
    for name in names:
        try:
            facts = _add(name, root) if options.action == "add" else check(name, root)
            _show(name, facts)
        except DatasetError as fault:
            faults.append(str(fault))
    if faults:
        raise DatasetError("\n".join(faults))
    return 0


def _list(root: Path | None) -> None:
    rows = []
    for name, entry in DATASETS.items():
        source = entry.source
        if source is None:
            kind = "synthetic" if entry.is_synthetic else "by path"
            rows.append([name, kind, entry.summary, "", ""])
            continue
        counts = source.counts
        size = f"{counts.users:,} x {counts.items:,}, {counts.events:,} events"
        here = "here" if is_present(name, root) else "not here"
        rows.append([name, here, entry.summary, size, source.licence])
    headers = ["dataset", f"in {data_root(root)}", "what", "users x items", "licence"]
    print(tabulate(rows, headers, disable_numparse=True))


def _show(name: str, facts: list[Fact]) -> None:
    shown = "; ".join(f"{fact.name} {fact.found}" for fact in facts)
    unchecked = [fact.name for fact in facts if not fact.expected]
    print(f"{name}: as expected: {shown}" + (f" (not known: {unchecked})" if unchecked else ""))


def _add(name: str, root: Path | None) -> list[Fact]:
    """Download with a bar on a terminal; without one, silently."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, TransferSpeedColumn(), console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int, note: str = "") -> None:
            if note not in tasks:
                tasks[note] = bar.add_task(f"{stage} {note}")
            bar.update(tasks[note], completed=done, total=total or None)

        return add(name, root, show)

"""``matchbench figure``: the charts of a run as files; nothing is run."""

import argparse
from collections.abc import Sequence
from fnmatch import fnmatchcase

from harness.commands.report import open_material, write
from harness.errors import RecordError, near
from harness.report.caption import caption_of
from harness.report.charts.chart import Chart
from harness.report.charts.theme import static
from harness.report.drawing import png, svg
from harness.report.material import charts_of

NARROWEST, WIDEST = 120, 2_000


def main(options: argparse.Namespace) -> int:
    """Write one file for each chart, and its caption."""
    if not NARROWEST <= options.width <= WIDEST:
        raise RecordError(f"--width {options.width} must lie between {NARROWEST} and {WIDEST}")
    material = open_material(options)
    every = [one for group in charts_of(material).values() for one in group]
    folder = options.out or options.folders[0] / "figures"
    records = material.run.records
    below = "\n".join([caption_of(records, material.run.floor, best=False), *material.refused])
    for chart in chosen(every, options.figure):
        spec = static(chart, options.theme, options.width)
        drawn = svg(spec).encode() if options.form == "svg" else png(spec)
        write(folder / f"{chart.name}.{options.form}", drawn)
        caption = f"{chart.title}\n{chart.description}\n{below}\n"
        write(folder / f"{chart.name}.txt", caption.encode())
    return 0


def chosen(charts: Sequence[Chart], wanted: Sequence[str] | None) -> list[Chart]:
    """Return the charts whose names match one of the patterns, all without patterns.

    Raises
    ------
    RecordError
        A pattern matches none, or the records give no chart.
    """
    names = [one.name for one in charts]
    if not names:
        raise RecordError("the records give no chart: they hold no quality and no measurement")
    for pattern in wanted or ():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecordError(
                f"no chart {pattern!r}{near(pattern, names)}; there are {', '.join(names)}"
            )
    patterns = wanted or ("*",)
    return [one for one in charts if any(fnmatchcase(one.name, p) for p in patterns)]

"""``matchbench compare --view frontier``: frontiers, budgets, and who leads."""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence

from harness.compare.budgets import Budget, Decision, Kind, decide, default_budgets
from harness.compare.frontier import KNOWN, Plane, planes_of
from harness.compare.points import Run, points_of
from harness.compare.quality import Reader
from harness.errors import RecordError, near
from harness.report.frontier_tables import render_budgets, render_frontier
from harness.report.numbers import MB, MS
from harness.report.plain_tables import frontier_csv

Asked = Mapping[Kind, Sequence[Budget]]
# What is fixed -> its option, and what one is in SI base units.
OPTIONS: Mapping[Kind, tuple[str, float]] = {
    "quality": ("--quality-at", 1.0),
    "bytes": ("--memory-mb", MB),
    "p99": ("--p99-ms", MS),
    "p95": ("--p95-ms", MS),
}
BY_DEFAULT: Sequence[Kind] = ("quality", "bytes", "p99")
SETTLED_BY = {"p99": "; the profile `smoke` does not settle it, `run --profile ci` does"}


def show(run: Run, options: argparse.Namespace, caption: str) -> int:
    """Print for each plane of a run its points and its budgets; as CSV one table of all.

    Raises
    ------
    RecordError
        A metric that no record has, a budget out of range, or one of what nobody measured.
    """
    metric = metric_of(run, options.metric)
    asked, planes = asked_for(options, metric), planes_of(points_of(run), metric)
    check_measured(asked, planes)
    found = list(_decided(planes, asked, metric))
    if options.form == "csv":
        print(frontier_csv(planes, found, metric))
        return 0
    for number, (plane, decisions) in enumerate(zip(planes, found, strict=True)):
        if number:
            print()
        above = "\n".join([*([] if number else [caption]), *_not_here(plane, asked)])
        print(render_frontier(plane, metric, options.form, above))
        if decisions:
            print()
            print(render_budgets(decisions, metric, options.form, plane))
    return 0


def metric_of(run: Run, wanted: Sequence[str] | None) -> str:
    """Return the metric asked for, else the first that records hold."""
    known = list(dict.fromkeys(name for one in run.records for name in one.metrics))
    if not known:
        raise RecordError(f"{run.name}: no record holds a metric")
    if not wanted:
        return known[0]
    if len(wanted) > 1:
        raise RecordError(f"--view frontier takes one metric, got {' '.join(wanted)}")
    if wanted[0] not in known:
        raise RecordError(f"no metric {wanted[0]!r} in the records{near(wanted[0], known)}")
    return wanted[0]


def asked_for(options: argparse.Namespace, metric: str) -> Asked:
    """Return the budgets of the command line by kind.

    Raises
    ------
    RecordError
        One is out of range: of a metric, a share, 0 to 1; else above 0 and finite.
    """
    found: dict[Kind, list[Budget]] = {}
    for kind, (option, unit) in OPTIONS.items():
        values: Sequence[float] | None = getattr(options, option[2:].replace("-", "_"))
        for value in values or ():
            if kind == "quality" and not 0 < value <= 1:
                told = f"must be above 0 and at most 1, as {metric} is"
                raise RecordError(f"{option} {value:g} {told}")
            if not 0 < value < math.inf:
                raise RecordError(f"{option} {value:g} must be above 0 and finite")
            found.setdefault(kind, []).append(Budget(kind, value * unit))
    return found


def check_measured(asked: Asked, planes: Sequence[Plane]) -> None:
    """Raise `RecordError` where a budget is of what no record of any plane holds."""
    known = {axis for axis in KNOWN if any(one.axis_values(axis) for one in planes)}
    there = [OPTIONS[kind][0] for kind in OPTIONS if Budget(kind, 1.0).axis in known]
    for kind, budgets in asked.items():
        axis = budgets[0].axis
        if axis not in known:
            rest = f"; what was measured can be asked for by {', '.join(there)}" if there else ""
            raise RecordError(
                f"{OPTIONS[kind][0]}: no {axis} was measured{SETTLED_BY.get(axis, '')}{rest}"
            )


def _decided(planes: Sequence[Plane], asked: Asked, metric: str) -> Iterator[list[Decision]]:
    """Return for each plane what its budgets give; bytes are told once of the same points."""
    reader, told = Reader(), set[tuple[int, ...]]()
    kinds = [one for one in OPTIONS if one in BY_DEFAULT or one in asked]
    for plane in planes:
        points = tuple(id(one.point) for one in plane.spots)
        chosen = [one for one in kinds if one != "bytes" or points not in told]
        told.add(points)
        budgets = [one for kind in chosen for one in _budgets(plane, kind, asked)]
        yield [decide(plane, one, reader, metric) for one in budgets]


def _budgets(plane: Plane, kind: Kind, asked: Asked) -> Sequence[Budget]:
    usual = default_budgets(plane, kind)
    return asked.get(kind, usual) if usual else []  # nothing of this kind was measured here


def _not_here(plane: Plane, asked: Asked) -> list[str]:
    """Return which budgets that were asked for say nothing of this plane."""
    absent = [kind for kind, (one, *_) in asked.items() if not plane.axis_values(one.axis)]
    return [f"{OPTIONS[one][0]}: not told here, no {one} was measured" for one in absent]

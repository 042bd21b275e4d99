"""``matchbench compare --view frontier``: frontiers, budgets, and who leads."""

import argparse
from collections.abc import Sequence

from harness.compare.budgets import Budget, Kind, decide, default_budgets
from harness.compare.frontier import Plane, planes_of
from harness.compare.points import Run, points_of
from harness.compare.quality import Reader
from harness.errors import RecordError, near
from harness.report.frontier_tables import render_budgets, render_frontier
from harness.report.numbers import MB, MS


def show(run: Run, options: argparse.Namespace, caption: str) -> int:
    """Print for each plane of a run its points and its budgets.

    Raises
    ------
    RecordError
        A metric that no record has, or a budget that is not above 0.
    """
    metric = metric_of(run, options.metric)
    reader, told = Reader(), set[tuple[int, ...]]()
    for number, plane in enumerate(planes_of(points_of(run), metric)):
        if number:
            print()
        print(render_frontier(plane, metric, options.form, "" if number else caption))
        points = tuple(id(one.point) for one in plane.spots)
        kinds: list[Kind] = ["quality", "p99"] if points in told else ["quality", "bytes", "p99"]
        told.add(points)
        budgets = [one for kind in kinds for one in _budgets(plane, kind, options)]
        if decisions := [decide(plane, one, reader, metric) for one in budgets]:
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


def _budgets(plane: Plane, kind: Kind, options: argparse.Namespace) -> list[Budget]:
    given = {
        "quality": (options.quality_at, 1.0),
        "bytes": (options.memory_mb, MB),
        "p99": (options.p99_ms, MS),
    }
    values, unit = given[kind]
    if values is None or not default_budgets(plane, kind):  # nothing of this kind was measured
        return default_budgets(plane, kind)
    for value in values:
        if not 0 < value < float("inf"):
            raise RecordError(f"budget {value} must be above 0 and finite")
    return [Budget(kind, value * unit) for value in values]

"""CSV: each view as one table that pandas reads, every number in full, in SI base units.

What stands above a printed table is a column here. Where a view has two tables a row says by its
column ``table`` of which it is.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.compare.budgets import Decision
from harness.compare.frame import plain_numbers
from harness.compare.frontier import Plane
from harness.compare.points import Pair, Point
from harness.compare.published import Published
from harness.compare.refusals import list_length
from harness.compare.scenario import scenario
from harness.report.comparison import name_rows, settings_of, with_published
from harness.report.frontier_tables import budget_frame, frontier_frame
from harness.report.table import csv_of

Rows = list[dict[str, Any]]


def frontier_csv(
    planes: Sequence[Plane], decisions: Sequence[Sequence[Decision]], metric: str
) -> str:
    """Return points and budgets of all planes as one table.

    Columns: ``table``, ``points`` or ``budgets``; ``plane``, its number; what all of a plane share;
    then those of `frontier_frame` and of `budget_frame`, each empty in rows of the other.
    """
    rows: Rows = []
    for number, (plane, found) in enumerate(zip(planes, decisions, strict=True), 1):
        point = plane.spots[0].point
        shared = {
            "plane": number, **_place(point), "scenario": scenario(plane.load),
            "load": dict(plane.load), "apart": plane.apart, "metric": metric,
        }  # fmt: skip
        tables = {"points": frontier_frame(plane), "budgets": budget_frame(found)}
        for table, frame in tables.items():
            rows += [{"table": table, **shared, **row} for row in _records(frame)]
    return csv_of(pd.DataFrame(rows))


def comparison_csv(
    pairs: Sequence[Pair],
    quality: pd.DataFrame | None,
    speed: pd.DataFrame | None,
    published: Sequence[Published] = (),
) -> str:
    """Return one or both tables of a comparison as one.

    Columns: ``table``, ``quality`` or ``speed``, where there are both; those of
    `harness.compare.quality.compare_quality`, with published rows below, and of
    `harness.compare.speed.compare_speed`, with ``scenario``; ``case``, ``setting``, ``baseline``,
    and where the point was measured.
    """
    tables: dict[str, pd.DataFrame] = {}
    if quality is not None:
        tables["quality"] = with_published(_with_places(quality, pairs), pairs, published)
    if speed is not None:
        named = _with_places(speed, pairs)
        tables["speed"] = named.assign(scenario=[scenario(one) for one in named["load"]])
    if len(tables) == 1:
        return csv_of(*tables.values())
    plain = {name: plain_numbers(one) for name, one in tables.items()}
    rows = [{"table": name, **row} for name, one in plain.items() for row in _records(one)]
    return csv_of(pd.DataFrame(rows))


def _with_places(frame: pd.DataFrame, pairs: Sequence[Pair]) -> pd.DataFrame:
    named = name_rows(frame, pairs)
    shown = [one.shown for one in pairs]
    names = {
        id(one): f"{one.first.case} {setting}".strip()
        for one, setting in zip(shown, settings_of(shown), strict=True)
    }
    places = [{"baseline": _baseline(one, names), **_place(one.shown)} for one in pairs]
    return named.assign(**{
        name: [places[number][name] for number in frame["pair"]] for name in places[0]
    })  # fmt: skip


def _baseline(pair: Pair, names: dict[int, str]) -> str:
    """Return the name of a pair's baseline: the point, of two runs the run."""
    if pair.base is None:
        return ""
    if pair.other is None or pair.other.run is not pair.base.run:
        return pair.base.run.name
    return names.get(id(pair.base), "")


def _place(point: Point) -> dict[str, Any]:
    first = point.first
    names = ("dataset", "split", "device", "threads", "fit_threads", "profile")
    return {**{one: getattr(first, one) for one in names}, "k": list_length(point)}


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")

"""Charts of frontiers: quality against QPS, p99, index bytes and build time, every point kept."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.compare.frontier import AXES, Plane
from harness.compare.quality import BOUND
from harness.report.charts.chart import (
    ISOLATED,
    OPACITY,
    Chart,
    Spec,
    axis,
    by_method,
    configuration,
    tooltip,
)
from harness.report.frontier_tables import COSTS, frontier_frame, quality_text
from harness.report.numbers import NOTHING, cell
from harness.report.places import places_of

OF_LOAD = ("QPS", "p99")  # the others are the same under every load
TITLES = {
    "QPS": "queries per second (log)",
    "p99": "p99 latency, ms (log)",
    "bytes": "index, MB (log)",
    "build": "build, s (log)",
}
BETTER = {"QPS": "up and to the right", "p99": "up and to the left"}


def frontier_charts(planes: Sequence[Plane], metric: str, methods: Sequence[str]) -> list[Chart]:
    """Return a chart for each plane and cost that some valid point of it has.

    Parameters
    ----------
    metric : the quality of the vertical axis.
    methods : all methods of the run, in order.
    """
    charts: list[Chart] = []
    told: set[tuple[int, ...]] = set()
    places, whole = places_of(planes), places_of(planes, with_load=False)
    for plane, place, elsewhere in zip(planes, places, whole, strict=True):
        points = tuple(id(one.point) for one in plane.spots)
        axes = OF_LOAD if points in told else AXES
        told.add(points)
        rows = _rows(plane, metric)
        for name in axes:
            if any(row[name] is not None and not row["bound"] for row in rows):
                where = place if name in OF_LOAD else elsewhere
                number = len(charts) + 1
                charts.append(_chart(plane, rows, name, metric, methods, where, number))
    return charts


def _rows(plane: Plane, metric: str) -> list[dict[str, Any]]:
    """Return a row for each spot with a quality, costs in the units of the axes."""
    rows = []
    frame = frontier_frame(plane)
    for spot, row in zip(plane.spots, frame.to_dict("records"), strict=True):
        bound = row["case"] == BOUND or spot.point.first.method == BOUND
        if spot.quality is None or not (spot.competes or bound):
            continue
        first = spot.point.first
        text = {header: cell(row[axis_], unit) for axis_, (header, unit) in COSTS.items()}
        rows.append({
            "method": row["case"],
            "setting": row["setting"],
            "bound": bound,
            "quality": spot.quality,
            "low": spot.low,
            "high": spot.high,
            metric: quality_text(row),
            **{name: _scaled(row[name], unit) for name, (_, unit) in COSTS.items()},
            **{f"on.{name}": bool(row[f"on.{name}"]) for name in AXES},
            "text": text,
            "index loss": cell(row["index_loss"], 1, "{:.4f}".format),
            "model loss": cell(row["model_loss"], 1, "{:.4f}".format),
            "configuration": configuration(first.build, first.search),
        })  # fmt: skip
    return rows


def _scaled(value: Any, unit: float) -> float | None:
    return None if pd.isna(value) else float(value) / unit


def _chart(
    plane: Plane,
    rows: Sequence[dict[str, Any]],
    name: str,
    metric: str,
    methods: Sequence[str],
    where: str,
    number: int,
) -> Chart:
    title = f"{metric} against {COSTS[name][0]}: {where}"
    drawn = [row for row in rows if row[name] is not None and not row["bound"]]
    bound = max((row["quality"] for row in rows if row["bound"]), default=None)
    left_out = len(plane.spots) - len(drawn) - sum(row["bound"] for row in rows)
    description = (
        f"{metric} with its 95 % interval against {TITLES[name]}; better is "
        f"{BETTER.get(name, BETTER['p99'])}. Filled: on the frontier of the run, which the stepped "
        "line follows; hollow: another point has as much for less."
    )
    if bound is not None:
        description += f" Dashed: best possible, {bound:.4f}."
    if left_out:
        why = "not valid, not measured here, or lack seeds of the others"
        description += f" {left_out} points are {why}; the table has them."
    return Chart(
        name=f"frontier-{number}-{name.lower()}",
        title=title,
        description=description,
        spec=_spec(drawn, bound, name, metric, methods),
        numbers=_numbers(drawn, name, metric),
    )


def _numbers(rows: Sequence[dict[str, Any]], name: str, metric: str) -> pd.DataFrame:
    header = COSTS[name][0]
    return pd.DataFrame(
        {
            "method": [row["method"] for row in rows],
            "setting": [row["setting"] or NOTHING for row in rows],
            metric: [row[metric] for row in rows],
            header: [row["text"][header] for row in rows],
            "frontier": ["on it" if row[f"on.{name}"] else "dominated" for row in rows],
        }
    )


def _spec(
    rows: Sequence[dict[str, Any]],
    bound: float | None,
    name: str,
    metric: str,
    methods: Sequence[str],
) -> Spec:
    values = [
        {
            **{key: row[key] for key in ("method", "setting", "quality", "low", "high")},
            "cost": row[name],
            "on": row[f"on.{name}"],
            "told": row[metric],
            **row["text"],
            **{key: row[key] for key in ("index loss", "model loss", "configuration")},
        }
        for row in rows
    ]
    x = axis("cost", TITLES[name], log=True)
    y = axis("quality", metric)
    share = {"x": x, "y": y}
    told = [(key, key) for key in rows[0]["text"] if any(row["text"][key] != "-" for row in rows)]
    told += [(one, one) for one in ("index loss", "model loss") if any(r[one] != "-" for r in rows)]
    methods_here = by_method(methods, shape=True)
    layers: list[Spec] = [
        {
            "transform": [{"filter": "datum.on"}],
            "mark": {
                "type": "line", "interpolate": "step-before" if AXES[name][1] else "step-after",
                "strokeWidth": 6, "opacity": 0.3, "tooltip": False,
            },
            "encoding": share,
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.2, "tooltip": False},
            "encoding": {**share, "color": methods_here["color"], "opacity": OPACITY},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 1.2},
            "encoding": {
                "x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"},
                "color": methods_here["color"], "opacity": OPACITY,
            },
        },
        {
            "mark": {"type": "point", "size": 120, "strokeWidth": 1.6, "cursor": "pointer"},
            "encoding": {
                **share,
                **methods_here,
                "fill": dict(methods_here["color"]),
                "fillOpacity": {"condition": {"test": "datum.on", "value": 1}, "value": 0},
                "opacity": OPACITY,
                "tooltip": tooltip(
                    ("method", "method"), ("setting", "setting"), ("told", metric), *told,
                    ("configuration", "configuration"),
                ),
            },
        },
    ]  # fmt: skip
    if bound is not None:
        layers.insert(0, {
            "data": {"values": [{"quality": bound}]},
            "mark": {"type": "rule", "strokeDash": [6, 4], "tooltip": False},
            "encoding": {"y": y},
        })  # fmt: skip
    return {"params": [ISOLATED], "data": {"values": values}, "height": 300, "layer": layers}

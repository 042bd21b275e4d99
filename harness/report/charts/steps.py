"""Charts of steps: the ladder from the model's score to the served one, and user segments."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.ladder import SCORINGS, Ladder, step_text
from harness.compare.quality import BOUND
from harness.compare.segments import KINDS, Segment
from harness.report.charts.chart import ISOLATED, OPACITY, Chart, Spec, axis, by_method, tooltip
from harness.report.comparison import settings_of
from harness.report.numbers import NOTHING, rounded

SEGMENT_TITLES: Mapping[str, tuple[str, str]] = {
    "history_items": ("length of the history", "items of the history that the query gives"),
    "relevant_events": (
        "popularity of what is asked for",
        "training interactions of the relevant items, their mean",
    ),
}


def ladder_chart(found: Sequence[Ladder], metric: str, methods: Sequence[str]) -> Chart:
    """Return the chart of ladders: one line per built model, a step per way to score."""
    settings = settings_of([one.first.point for one in found])
    values, cells = [], []
    for ladder, setting in zip(found, settings, strict=True):
        case = ladder.first.point.first.case
        what = {"method": case, "setting": setting, "row": f"{case} {setting}"}
        for rung in ladder.rungs:
            value = f"{rung.value:.4f}"
            values.append({
                **what, "scoring": rung.scoring, "quality": rung.value, "low": rung.low,
                "high": rung.high, "told": value, "meaning": SCORINGS[rung.scoring],
                "step": step_text(rung.step) or "the first rung",
            })  # fmt: skip
            cells.append({
                "method": case, "setting": setting or NOTHING, "scoring": rung.scoring,
                metric: value, "to the rung before": step_text(rung.step) or NOTHING,
            })  # fmt: skip
    order = [one for one in SCORINGS if any(row["scoring"] == one for row in values)]
    x: Spec = {
        "field": "scoring", "type": "ordinal", "sort": order, "title": None,
        "axis": {"labelAngle": 0},
    }  # fmt: skip
    told = [("scoring", "scoring"), ("meaning", "which is"), ("told", metric)]
    told += [("step", "to the rung before")]
    bounds = {one.bound for one in found} - {None}
    description = (
        f"{metric} with its 95 % interval, by what is scored: "
        + "; ".join(f"{one}: {SCORINGS[one]}" for one in order)
        + "."
    )
    if bounds:
        description += f" Dashed: best possible, {', '.join(f'{one:.4f}' for one in bounds)}."
    return Chart(
        name="ladder",
        title=f"From the model's score to the served one: {metric}",
        description=description,
        spec=_dots(values, x, metric, methods, told, sorted(b for b in bounds if b is not None)),
        numbers=pd.DataFrame(cells),
    )


def segment_charts(segments: Sequence[Segment], metric: str, methods: Sequence[str]) -> list[Chart]:
    """Return a chart for each kind of segment; the best possible score is left out."""
    charts = []
    for kind, names in KINDS.items():
        rows = [one for one in segments if one.kind == kind and one.point.first.method != BOUND]
        if len({one.name for one in rows}) < 2:
            continue
        title, fact = SEGMENT_TITLES[kind]
        settings = settings_of([one.point for one in rows])
        values = [
            {
                "method": one.point.first.case, "setting": setting,
                "row": f"{one.point.first.case} {setting}", "segment": one.name,
                "quality": one.mean, "low": one.low, "high": one.high, "told": f"{one.mean:.4f}",
                "n": f"{one.n:,}", "span": f"{rounded(one.least)} to {rounded(one.most)}",
            }
            for one, setting in zip(rows, settings, strict=True)
        ]  # fmt: skip
        x: Spec = {
            "field": "segment", "type": "ordinal", "sort": list(names), "title": title,
            "axis": {"labelAngle": 0},
        }  # fmt: skip
        told = [("segment", "segment"), ("span", fact), ("n", "queries"), ("told", metric)]
        spans = {one.name: f"{rounded(one.least)} to {rounded(one.most)}" for one in rows}
        groups = "; ".join(f"{name}: {span}" for name, span in spans.items())
        charts.append(
            Chart(
                name=f"segments-{kind.replace('_', '-')}",
                title=f"{metric} by {title}",
                description=f"{metric} with its 95 % interval over the thirds of the queries by "
                f"{fact}: {groups}. Equal queries stay together, so thirds may be unlike.",
                spec=_dots(values, x, metric, methods, told, []),
                numbers=_segment_cells(values, metric, names),
            )
        )
    return charts


def _segment_cells(
    values: Sequence[Mapping[str, Any]], metric: str, names: Sequence[str]
) -> pd.DataFrame:
    rows: dict[str, dict[str, str]] = {}
    for one in values:
        row = rows.setdefault(
            one["row"], {"method": one["method"], "setting": one["setting"] or NOTHING}
        )
        half = max(one["high"] - one["quality"], one["quality"] - one["low"])
        row[f"{one['segment']}, {metric}"] = f"{one['told']} ±{half:.4f}"
    columns = ["method", "setting", *(f"{one}, {metric}" for one in names)]
    cells = pd.DataFrame(list(rows.values())).reindex(columns=columns).fillna(NOTHING)
    return cells[[name for name in cells if any(one != NOTHING for one in cells[name])]]


def _dots(
    values: Sequence[Mapping[str, Any]],
    x: Spec,
    metric: str,
    methods: Sequence[str],
    told: Sequence[tuple[str, str]],
    bounds: Sequence[float],
) -> Spec:
    """Return lines with points and intervals over the steps of an ordinal axis."""
    names = by_method(methods, shape=True)
    y = axis("quality", metric)
    share = {"x": x, "y": y, "detail": {"field": "row"}, "opacity": OPACITY}
    tips = tooltip(("method", "method"), ("setting", "setting"), *told)
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 1.2},
            "encoding": {
                **share, "y": {**y, "field": "low"}, "y2": {"field": "high"},
                "color": names["color"],
            },
        },
        {
            "mark": {"type": "line", "tooltip": False},
            "encoding": {**share, "color": names["color"]},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90, "cursor": "pointer"},
            "encoding": {**share, **names, "tooltip": tips},
        },
    ]  # fmt: skip
    if bounds:
        layers.insert(0, {
            "data": {"values": [{"quality": one} for one in bounds]},
            "mark": {"type": "rule", "strokeDash": [6, 4], "tooltip": False},
            "encoding": {"y": y},
        })  # fmt: skip
    return {
        "params": [ISOLATED],
        "data": {"values": list(values)},
        "height": 260,
        "layer": layers,
    }

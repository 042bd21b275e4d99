"""Charts of latency distributions: milliseconds at every percentile that the sample settles."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.compare.latency import FIELDS, Latency, nines
from harness.report.charts.chart import ISOLATED, OPACITY, Chart, axis, by_method, tooltip
from harness.report.comparison import settings_of
from harness.report.numbers import MS, NOTHING, rounded

_TICKS = (50, 90, 99, 99.9, 99.99)


def latency_chart(
    curves: Sequence[Latency], methods: Sequence[str], where: str, number: int
) -> Chart:
    """Return the chart of the distributions of one plane, ``where`` in words."""
    settings = settings_of([one.spot.point for one in curves])
    values: list[dict[str, Any]] = []
    for one, setting in zip(curves, settings, strict=True):
        what = {
            "method": one.record.case,
            "setting": setting,
            "row": f"{one.record.case} {setting}",
        }
        told = {f"p{percent:g} ms": NOTHING for percent in FIELDS}
        told |= {f"p{p:g} ms": rounded(s / MS) for p, s in one.curve if p in FIELDS}
        values += [
            {**what, "at": nines(p), "ms": s / MS, "percentile": f"p{p:g}", "now": rounded(s / MS),
             **told}
            for p, s in one.curve
        ]  # fmt: skip
    highest = max(one["at"] for one in values)
    ticks = [one for one in _TICKS if nines(one) <= highest + 0.05]
    label = " : ".join(f"datum.value < {nines(one) + 0.01} ? 'p{one:g}'" for one in ticks) + " : ''"
    x = axis("at", "percentile of queries", zero=True)
    x["axis"] = {"values": [nines(one) for one in ticks], "labelExpr": label}
    share = {
        "x": x,
        "y": axis("ms", "latency, ms (log)", log=True),
        "detail": {"field": "row"},
        "opacity": OPACITY,
        "color": by_method(methods)["color"],
    }
    told_names = [("percentile", "percentile"), ("now", "ms there")]
    told_names += [
        (f"p{p:g} ms", f"p{p:g} ms")
        for p in FIELDS
        if any(v[f"p{p:g} ms"] != NOTHING for v in values)
    ]
    return Chart(
        name=f"latency-{number}",
        title=f"Latency by percentile: {where}",
        description=_description(curves),
        spec={
            "params": [ISOLATED],
            "data": {"values": values},
            "height": 300,
            "layer": [
                {
                    "mark": {"type": "line", "strokeWidth": 1.8, "tooltip": False},
                    "encoding": share,
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "cursor": "pointer"},
                    "encoding": {
                        **share,
                        "shape": by_method(methods, shape=True)["shape"],
                        "size": {"condition": {"test": _IS_MARKED, "value": 50}, "value": 12},
                        "tooltip": tooltip(
                            ("method", "method"), ("setting", "setting"), *told_names
                        ),
                    },
                },
            ],
        },
        numbers=_numbers(curves, settings),
    )


_IS_MARKED = "indexof(['p50', 'p90', 'p95', 'p99', 'p99.9'], datum.percentile) >= 0"


def _description(curves: Sequence[Latency]) -> str:
    sizes = sorted({one.record.n_timed or 0 for one in curves if one.is_raw})
    text = (
        "Milliseconds that so many per cent of the queries do not exceed, each an observed time; "
        "a curve ends at the last percentile that its sample settles. Lower is better."
    )
    if sizes:
        span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        text += f" {span} queries a curve."
    if any(not one.is_raw for one in curves):
        text += " Where the raw times are not there, the record's percentiles stand for them."
    if any(len(one.spot.point.valid) > 1 for one in curves):
        text += " Of seeds and repeats the one of the median QPS."
    return text


def _numbers(curves: Sequence[Latency], settings: Sequence[str]) -> pd.DataFrame:
    rows = []
    for one, setting in zip(curves, settings, strict=True):
        known = dict(one.curve)
        row = {"method": one.record.case, "setting": setting or NOTHING}
        row |= {f"p{p:g} ms": rounded(known[p] / MS) if p in known else NOTHING for p in FIELDS}
        rows.append({**row, "n": f"{one.record.n_timed:,}" if one.record.n_timed else NOTHING})
    return pd.DataFrame(rows)

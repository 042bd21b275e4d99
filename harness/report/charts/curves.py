"""Charts of curves: what grows with the catalogue, and what training did to codes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.record import Record, Status
from harness.report.charts.chart import ISOLATED, OPACITY, Chart, Spec, axis, by_method, tooltip
from harness.report.numbers import MB, MS, NOTHING, cell
from harness.report.scaling import setting_texts

# Column of `harness.compare.scaling.scaling_frame` -> title, unit.
SCALED: Mapping[str, tuple[str, float]] = {
    "fit_build_s": ("fit and build, s", 1.0),
    "index_bytes": ("index, MB", MB),
    "qps": ("queries per second", 1.0),
    "latency_p99_s": ("p99 latency, ms", MS),
}
# Key of an epoch in `Record.history` -> title.
HEALTH: Mapping[str, str] = {
    "codewords_in_use": "codewords in use",
    "codeword_perplexity": "perplexity of codewords",
    "restarts": "restarts so far",
}


def scale_charts(frame: pd.DataFrame, quality: str, methods: Sequence[str]) -> list[Chart]:
    """Return a chart for each quantity that some series has at two sizes or more.

    Parameters
    ----------
    frame : what `harness.compare.scaling.scaling_frame` returns.
    quality : a metric column to show against the size too.
    """
    valid = frame[frame["status"] == Status.OK]
    settings = setting_texts(valid, frame)
    charts = []
    for name, (title, unit) in {**SCALED, quality: (quality, 1.0)}.items():
        if name not in valid:
            continue
        values = [
            {
                "method": row["case"], "setting": setting, "row": f"{row['case']} {setting}",
                "n": int(row["n_items"]), "items": f"{int(row['n_items']):,}",
                "amount": float(row[name]) / unit, "told": cell(row[name], unit),
            }
            for row, setting in zip(valid.to_dict("records"), settings, strict=True)
            if not pd.isna(row[name]) and (name == quality or row[name] > 0)
        ]  # fmt: skip
        if len({one["n"] for one in values}) < 2:
            continue
        y = axis("amount", title if name == quality else f"{title} (log)", log=name != quality)
        share = {"x": axis("n", "items in the catalogue (log)", log=True), "y": y}
        charts.append(
            Chart(
                name=f"scale-{name.replace('@', '-').replace('_', '-')}",
                title=f"{title} against the number of items",
                description=f"{title} at each size of the catalogue, valid rows; both axes are "
                "logarithmic, so that a straight line is a power of the size."
                if name != quality
                else f"{title} at each size of the catalogue, valid rows.",
                spec=_lines(values, share, methods, [("items", "items"), ("told", title)]),
                numbers=_wide(values, "items"),
            )
        )
    return charts


def health_charts(records: Sequence[Record], methods: Sequence[str]) -> list[Chart]:
    """Return a chart for each number of codes that trainings told by epoch."""
    charts = []
    trials = {one.trial_id: one for one in records if one.history}
    for name, title in HEALTH.items():
        values = [
            {
                "method": record.case, "setting": phase, "seed": str(record.seed),
                "row": f"{record.trial_id} {phase}", "epoch": epoch["epoch"],
                "amount": epoch[name], "told": cell(epoch[name]),
            }
            for record in trials.values()
            for phase, epochs in record.history.items()
            for epoch in epochs
            if epoch.get(name) is not None
        ]  # fmt: skip
        if not values:
            continue
        share = {"x": axis("epoch", "epoch"), "y": axis("amount", title, zero=True)}
        told = [("seed", "seed"), ("epoch", "epoch"), ("told", title)]
        charts.append(
            Chart(
                name=f"codes-{name.replace('_', '-')}",
                title=f"Codes by epoch: {title}",
                description=f"{title[0].upper()}{title[1:]}, after each epoch of each training; "
                "dashed: the second training, on training and validation parts together.",
                spec=_lines(values, share, methods, told, dashed=True),
                numbers=_last_epochs(values, title),
            )
        )
    return charts


def _lines(
    values: Sequence[Mapping[str, Any]],
    share: Spec,
    methods: Sequence[str],
    told: Sequence[tuple[str, str]],
    *,
    dashed: bool = False,
) -> Spec:
    encoding = {**share, "detail": {"field": "row"}, "opacity": OPACITY}
    names = by_method(methods, shape=True)
    line: Spec = {**encoding, "color": names["color"]}
    if dashed:
        scale = {"domain": ["fit", "refit"], "range": [[1, 0], [5, 4]]}
        line["strokeDash"] = {"field": "setting", "scale": scale, "legend": None}
    tips = tooltip(("method", "method"), ("setting", "setting"), *told)
    return {
        "params": [ISOLATED],
        "data": {"values": list(values)},
        "height": 260,
        "layer": [
            {"mark": {"type": "line", "tooltip": False}, "encoding": line},
            {
                "mark": {
                    "type": "point", "filled": True, "size": 30 if dashed else 80,
                    "cursor": "pointer",
                },
                "encoding": {**encoding, **names, "tooltip": tips},
            },
        ],
    }  # fmt: skip


def _wide(values: Sequence[Mapping[str, Any]], column: str) -> pd.DataFrame:
    """Return a row per series and a column per size; of several values the first."""
    rows: dict[str, dict[str, str]] = {}
    headers = list(dict.fromkeys(one[column] for one in sorted(values, key=lambda v: v["n"])))
    for one in values:
        row = {"method": one["method"], "setting": one["setting"] or NOTHING}
        rows.setdefault(one["row"], row).setdefault(one[column], one["told"])
    cells = pd.DataFrame(list(rows.values())).reindex(columns=["method", "setting", *headers])
    return cells.fillna(NOTHING)


def _last_epochs(values: Sequence[Mapping[str, Any]], title: str) -> pd.DataFrame:
    last: dict[str, Mapping[str, Any]] = {}
    for one in values:
        last[one["row"]] = one
    return pd.DataFrame(
        {
            "method": one["method"],
            "training": one["setting"],
            "seed": one["seed"],
            "epochs": f"{one['epoch']:.0f}",
            f"{title}, last": one["told"],
        }
        for one in last.values()
    )

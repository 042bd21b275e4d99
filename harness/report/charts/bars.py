"""Charts of bars, one row per operating point: stages of a query, bytes of index and processes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.merging import merge_loads
from harness.report.charts.chart import ISOLATED, OPACITY, Chart, tooltip
from harness.report.numbers import MB, NOTHING, US, cell, signed_percent
from harness.report.rows import describe_setting
from harness.stages import SEARCH_STAGES

# What is drawn of `Record.memory`, by chart; the table of the page has every number.
INDEX: Mapping[str, str] = {"logical_bytes": "what search touches", "disk_bytes": "saved on disk"}
PROCESS: Mapping[str, str] = {
    "steady_bytes": "serving",
    "search_peak_bytes": "serving, peak",
    "build_peak_bytes": "building, peak",
}
DEVICE: Mapping[str, str] = {
    "device_steady_bytes": "serving",
    "device_search_peak_bytes": "serving, peak",
    "device_build_peak_bytes": "building, peak",
}
MEMORY = (
    ("memory-index", "Bytes of the index", INDEX),
    ("memory-process", "Resident memory of a process, Python and libraries included", PROCESS),
    ("memory-device", "Memory of the device, above an empty context", DEVICE),
)
SEEDS = " Of several seeds the first."
BAR, THIN_BAR, LABEL = 14, 8, 18  # units: a stacked bar, one of several, the label above


def stage_chart(frame: pd.DataFrame) -> Chart | None:
    """Return the stages of a query, stacked; None where no record holds any.

    Parameters
    ----------
    frame : what `harness.compare.merging.merge_repeats` returns.
    """
    rows = _rows(frame)
    values, cells = [], []
    for row in rows:
        known = {s: row.get(f"stages_s.{s}") for s in SEARCH_STAGES}
        stages = {s: float(v) for s, v in known.items() if v is not None and not pd.isna(v)}
        if not stages:
            continue
        total = sum(stages.values())
        gap = row.get("stages_gap")
        for number, (stage, seconds) in enumerate(stages.items()):
            values.append({
                **_what(row), "kind": stage, "order": number, "amount": seconds / US,
                "told": f"{cell(seconds, US)} us, {100 * seconds / total:.0f} % of the sum",
                "all": f"{cell(total, US)} us",
                "gap": NOTHING if pd.isna(gap) else signed_percent(float(gap)),
            })  # fmt: skip
        cells.append({
            "method": row["case"], "setting": row["setting"] or NOTHING,
            **{f"{s} us": cell(known[s], US) for s in SEARCH_STAGES},
            "sum us": cell(total, US),
            "gap": NOTHING if pd.isna(gap) else signed_percent(float(gap)),
        })  # fmt: skip
    if not values:
        return None
    more = (("all", "sum of stages"), ("gap", "sum against total"))
    return Chart(
        name="stages",
        title="Stages of a query",
        description="Mean microseconds of one query by stage, from a pass of their own; the gap "
        "says how far their sum lies from the same queries timed whole." + SEEDS,
        spec=_bars(values, list(SEARCH_STAGES), "microseconds a query", more, stacked=True),
        numbers=_told(pd.DataFrame(cells)),
    )


def memory_charts(frame: pd.DataFrame) -> list[Chart]:
    """Return the charts of memory for which some record holds numbers; ``frame`` as above."""
    rows, charts = _rows(frame), []
    for name, title, kinds in MEMORY:
        values, cells = [], []
        for row in rows:
            known = {key: row.get(f"memory.{key}") for key in kinds}
            if name == "memory-index" and pd.isna(known["logical_bytes"] or float("nan")):
                known["logical_bytes"] = row.get("index_bytes")
            found = {k: float(v) for k, v in known.items() if v is not None and not pd.isna(v)}
            for number, (key, n_bytes) in enumerate(found.items()):
                values.append({
                    **_what(row), "kind": kinds[key], "order": number, "amount": n_bytes / MB,
                    "told": f"{cell(n_bytes, MB)} MB",
                })  # fmt: skip
            if found:
                setting = row["setting"] or NOTHING
                mb = {f"{text}, MB": cell(known[key], MB) for key, text in kinds.items()}
                cells.append({"method": row["case"], "setting": setting, **mb})
        if values:
            charts.append(
                Chart(
                    name,
                    title,
                    f"Megabytes (1 MB = 1,000,000 bytes): {'; '.join(kinds.values())}." + SEEDS,
                    _bars(values, list(kinds.values()), "MB", (), stacked=False),
                    _told(pd.DataFrame(cells)),
                )
            )
    return charts


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per setting with the name that tells it from others; of seeds the first."""
    first = frame.groupby("case")["seed"].transform("first")
    rows = merge_loads(frame[frame["seed"] == first])
    settings = describe_setting(rows, with_load=False)
    return [
        {**{str(k): v for k, v in row.items()}, "setting": setting}
        for row, setting in zip(rows.to_dict("records"), settings, strict=True)
    ]


def _what(row: Mapping[str, Any]) -> dict[str, str]:
    label = f"{row['case']} {row['setting']}".strip()
    return {"method": row["case"], "setting": row["setting"], "row": label}


def _told(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the columns in which some row says something."""
    return cells[[name for name in cells if any(one != NOTHING for one in cells[name])]]


def _bars(
    values: Sequence[Mapping[str, Any]],
    kinds: Sequence[str],
    title: str,
    more: Sequence[tuple[str, str]],
    *,
    stacked: bool,
) -> dict[str, Any]:
    present = [one for one in kinds if any(value["kind"] == one for value in values)]
    n_rows = len({value["row"] for value in values})
    thickness = BAR if stacked else THIN_BAR * len(present)
    step = thickness + LABEL
    y: dict[str, Any] = {
        "field": "row", "type": "nominal", "sort": None, "title": None,
        "scale": {"paddingInner": LABEL / step, "paddingOuter": LABEL / step},
        # A label stands above its bars, so that these have the whole width, on a phone too.
        "axis": {
            "labelAlign": "left", "labelBaseline": "bottom", "labelPadding": -4, "labelLimit": 600,
            "labelOffset": -thickness / 2 - 1, "ticks": False, "zindex": 1,
        },
    }  # fmt: skip
    encoding: dict[str, Any] = {
        "y": y,
        "x": {
            "field": "amount",
            "type": "quantitative",
            "title": title,
            "stack": "zero" if stacked else None,
        },
        "color": {
            "field": "kind",
            "type": "ordinal",
            "scale": {"domain": present},
            "legend": {"title": None, "orient": "top", "columns": 2},
        },
        "order": {"field": "order"},
        "opacity": OPACITY,
        "tooltip": tooltip(
            ("method", "method"), ("setting", "setting"), ("kind", "what"), ("told", "amount"),
            *more,
        ),
    }  # fmt: skip
    if not stacked and len(present) > 1:
        encoding["yOffset"] = {"field": "kind", "type": "ordinal", "sort": present}
    return {
        "params": [ISOLATED],
        "data": {"values": list(values)},
        "height": round((n_rows + LABEL / step) * step),
        "mark": {"type": "bar", "strokeWidth": 0.5, "stroke": "#888888", "cursor": "pointer"},
        "encoding": encoding,
    }

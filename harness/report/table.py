"""The table of a run: a row per operating point, with units, intervals and failures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
from tabulate import tabulate

from harness.record import Status

Format = Literal["text", "markdown", "latex", "csv"]
FORMATS: Mapping[str, str] = {"text": "simple", "markdown": "github", "latex": "latex_booktabs"}
BOUND = "best_possible"  # an upper bound, not a competitor: never marked as best
MB = 1e6
BEST = "*"


def render(frame: pd.DataFrame, metrics: Sequence[str], form: Format, caption: str = "") -> str:
    """Return the table of records as text.

    Parameters
    ----------
    frame : what `harness.compare.frame.to_frame` returns.
    metrics : the metric columns, in order.
    form : ``csv`` gives every number in full, with interval bounds in columns of their own.
    caption : lines that stand above the table (below it as comments in CSV they do not).

    Notes
    -----
    ``*`` marks the best of a metric column where its 95 % interval clears that of the second.
    """
    if form == "csv":
        return str(_numbers(frame, metrics).to_csv(index=False)).rstrip("\n")
    cells = _cells(frame, metrics)
    body = tabulate(
        cells.values.tolist(),
        headers=list(cells.columns),
        tablefmt=FORMATS[form],
        disable_numparse=True,
        colalign=["left", "left", *["right"] * (len(cells.columns) - 3), "left"],
    )
    return f"{caption}\n\n{body}" if caption else body


def describe_setting(frame: pd.DataFrame) -> list[str]:
    """Return for each row what tells it from other rows of its case: parameters, device, seed."""
    descriptions = []
    for _, row in frame.iterrows():
        peers = frame[frame["case"] == row["case"]]
        parts = []
        for group in ("build", "search", "load"):
            for name, value in row[group].items():
                others = [one.get(name) for one in peers[group] if one]
                if any(one != value for one in others):
                    parts.append(f"{name}={value}")
        parts += [f"{name}={row[name]}" for name in ("device", "seed") if frame[name].nunique() > 1]
        descriptions.append(" ".join(parts))
    return descriptions


def best_rows(frame: pd.DataFrame, metric: str) -> list[bool]:
    """Return for each row whether it is the best of a metric, sure of it by the intervals.

    The best case must clear the best row of every other case; rows of one case with the same
    value (another load, a served list equal to the dense one) are marked together.
    """
    low, high = f"{metric}.low", f"{metric}.high"
    competes = (frame["status"] == Status.OK) & (frame["method"] != BOUND)
    if not {metric, low, high} <= set(frame.columns):
        return [False] * len(frame)
    ranked = frame[competes & frame[metric].notna()].sort_values(metric, ascending=False)
    if ranked.empty:
        return [False] * len(frame)
    top = ranked.iloc[0]
    others = ranked[ranked["case"] != top["case"]]
    if others.empty or not top[low] > others.iloc[0][high]:
        return [False] * len(frame)
    same = (frame["case"] == top["case"]) & (frame[metric] == top[metric]) & competes
    return [bool(one) for one in same]


def _cells(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    cells = pd.DataFrame({"method": frame["case"], "setting": describe_setting(frame)})
    for metric in metrics:
        cells[metric] = _metric_cells(frame, metric)
    columns: Sequence[tuple[str, str, float, Callable[[float], str]]] = (
        ("QPS", "qps", 1, _rounded),
        ("p50 ms", "latency_p50_s", 1e-3, _rounded),
        ("p95 ms", "latency_p95_s", 1e-3, _rounded),
        ("fit s", "fit_total_s", 1, _rounded),
        ("build s", "build_s", 1, _rounded),
        ("index MB", "index_bytes", MB, _rounded),
        ("host MB", "peak_host_bytes", MB, _rounded),
        ("device MB", "peak_device_bytes", MB, _rounded),
    )
    refit_s = pd.to_numeric(frame["refit_s"]).fillna(0)
    frame = frame.assign(fit_total_s=pd.to_numeric(frame["fit_s"]) + refit_s)
    for header, name, unit, form in columns:
        cells[header] = [
            "-" if pd.isna(value) else form(float(value) / unit) for value in frame[name]
        ]
    cells["status"] = [
        status if reason is None or pd.isna(reason) else f"{status}: {reason}"
        for status, reason in zip(frame["status"], frame["reason"], strict=True)
    ]
    return cells


def _metric_cells(frame: pd.DataFrame, metric: str) -> list[str]:
    if metric not in frame:
        return ["-"] * len(frame)
    cells = []
    missing = pd.Series([float("nan")] * len(frame), index=frame.index)
    lows, highs = frame.get(f"{metric}.low", missing), frame.get(f"{metric}.high", missing)
    for value, low, high, best in zip(
        frame[metric], lows, highs, best_rows(frame, metric), strict=True
    ):
        if pd.isna(value):
            cells.append("-")
            continue
        spread = "" if pd.isna(low) else f" ±{max(high - value, value - low):.4f}"
        cells.append(f"{value:.4f}{spread}{BEST if best else ''}")
    return cells


def _rounded(value: float) -> str:
    """Return three significant digits, without an exponent."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _numbers(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return every number in full, in the units of the records."""
    named = [
        column
        for metric in metrics
        for column in (metric, f"{metric}.low", f"{metric}.high")
        if column in frame
    ]
    plain = [
        "suite", "case", "method", "build", "search", "load", "dataset", "split", "device",
        "threads", "fit_threads", "seed", *named, "n_queries", "fill_rate", "tied_lists", "qps",
        "n_timed", "latency_p50_s", "latency_p95_s", "latency_p99_s", "fit_s", "refit_s",
        "build_s", "index_bytes", "peak_host_bytes", "peak_device_bytes", "status", "reason",
    ]  # fmt: skip
    return frame[plain]

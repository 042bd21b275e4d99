"""The tables of a scale run: a row per method and size, then the exponents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from harness.compare.scaling import MEASURED
from harness.record import Record
from harness.report.table import FORMATS, MB, Format

LABELS: Mapping[str, str] = {
    "fit_build_s": "fit + build",
    "index_bytes": "index bytes",
    "qps": "QPS",
    "latency_p99_s": "p99",
}
HEADERS = ["method", "setting", "n", "fit + build s", "index MB", "B/item", "QPS", "p99 ms"]


def render_scaling(
    frame: pd.DataFrame, exponents: pd.DataFrame, recall: str, form: Format, caption: str = ""
) -> str:
    """Return the table of sizes and the table of exponents as text.

    Parameters
    ----------
    frame, exponents : of `harness.compare.scaling`.
    recall : the metric column to show.
    form : ``csv`` gives the rows of ``frame`` in full and nothing else.
    """
    if form == "csv":
        return scaling_csv(frame)
    sizes = tabulate(
        [_size_cells(row, recall) for _, row in frame.iterrows()],
        [*HEADERS, recall, "status"],
        tablefmt=FORMATS[form],
        disable_numparse=True,
        colalign=["left", "left", *["right"] * 7, "left"],
    )
    quantities = [*MEASURED, recall]
    growth = tabulate(
        _exponent_rows(exponents, quantities),
        ["method", "setting", *[LABELS.get(one, one) for one in quantities]],
        tablefmt=FORMATS[form],
        disable_numparse=True,
        colalign=["left", "left", *["right"] * len(quantities)],
    )
    title = "exponent e of y = a n^e by least squares in logarithms, with its 95 % interval"
    return "\n\n".join(part for part in (caption, sizes, title, growth) if part)


def scaling_csv(frame: pd.DataFrame) -> str:
    """Return every row of ``frame`` in full, the data for a plot."""
    return str(frame.to_csv(index=False)).rstrip("\n")


def scaling_caption(records: Sequence[Record], question: str) -> str:
    """Return what must be known before numbers are compared; ``records`` may hold failures."""
    first = records[0]
    cpus = dict.fromkeys(f"{one.machine['cpu']} x {one.machine['cores']}" for one in records)
    gpus = dict.fromkeys(str(one.machine["gpu"]) for one in records if "gpu" in one.machine)
    loads = dict.fromkeys(str(one.load["kind"]) for one in records if one.load)
    timed = sorted({one.n_timed for one in records if one.n_timed})
    sent = f" over {timed[0]} to {timed[-1]} queries" if timed else ""
    libraries = ", ".join(f"{name} {version}" for name, version in first.environment.items())
    return "\n".join(
        [
            f"{first.suite}: {question}",
            f"data: {first.dataset.partition('(')[0]}, a new catalogue for each n",
            f"speed: {' and '.join(loads) or 'not measured'}{sent}, host memory to host memory",
            f"threads: {first.threads} searching, {first.fit_threads} fitting and building",
            f"machine: {', '.join([*cpus, *gpus])} cores; {libraries}",
            f"commit {', '.join(dict.fromkeys(one.commit for one in records))}",
        ]
    )


def _size_cells(row: "pd.Series[Any]", recall: str) -> list[str]:
    reason = row["reason"]
    status = row["status"] if pd.isna(reason) or not reason else f"{row['status']}: {reason}"
    return [
        row["case"],
        _setting(row),
        f"{row['n_items']:,}",
        _number(row["fit_build_s"], 1),
        _number(row["index_bytes"], MB),
        _number(row["bytes_per_item"], 1),
        _number(row["qps"], 1),
        _number(row["latency_p99_s"], 1e-3),
        "-" if pd.isna(row.get(recall)) else f"{row[recall]:.4f}",
        status,
    ]


def _exponent_rows(exponents: pd.DataFrame, quantities: Sequence[str]) -> list[list[str]]:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for _, one in exponents.iterrows():
        rows.setdefault((one["case"], _setting(one)), {})[one["quantity"]] = _law(one)
    return [
        [*series, *(cells.get(one, "-") for one in quantities)] for series, cells in rows.items()
    ]


def _law(row: "pd.Series[Any]") -> str:
    if pd.isna(row["exponent"]):
        return str(row["note"])
    if pd.isna(row["low"]):
        return f"{row['exponent']:.2f} ({row['note']})"
    return f"{row['exponent']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _setting(row: "pd.Series[Any]") -> str:
    """Return search parameters, device and load, as far as a row has them."""
    parts = [f"{name}={value}" for name, value in row["search"].items()]
    parts += [row["device"]] if row["device"] != "cpu" else []
    if row["load"] and row["load"]["kind"] != "single_stream":
        parts.append(row["load"]["kind"])
    return " ".join(parts)


def _number(value: Any, unit: float) -> str:
    """Return three significant digits without an exponent, ``-`` for nothing."""
    if pd.isna(value):
        return "-"
    scaled = float(value) / unit
    return f"{scaled:,.0f}" if scaled >= 1000 else f"{scaled:.3g}"

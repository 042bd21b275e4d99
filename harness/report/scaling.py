"""The tables of a scale run: a row per method and size, then the exponents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.scaling import MEASURED
from harness.compare.scenario import scenario
from harness.record import Record
from harness.report.numbers import MB, MS, NOTHING, Column
from harness.report.table import Format, render_cells

LABELS: Mapping[str, str] = {
    "fit_build_s": "fit + build",
    "index_bytes": "index bytes",
    "qps": "QPS",
    "latency_p99_s": "p99",
}
COLUMNS = (
    Column("n", "n_items", form=lambda value: f"{value:,.0f}"),
    Column("fit + build s", "fit_build_s"),
    Column("index MB", "index_bytes", MB),
    Column("B/item", "bytes_per_item"),
    Column("QPS", "qps"),
    Column("p99 ms", "latency_p99_s", MS),
)
TITLE = "exponent e of y = a n^e, least squares in logarithms, with its 95 % interval"


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
    cells = pd.DataFrame({"method": frame["case"], "setting": _settings(frame)})
    for column in (*COLUMNS, Column(recall, recall, form=lambda value: f"{value:.4f}")):
        cells[column.header] = column.cells(frame)
    cells["status"] = [
        str(status) if pd.isna(reason) else f"{status}: {reason}"
        for status, reason in zip(frame["status"], frame["reason"], strict=True)
    ]
    sizes = render_cells(cells, form, caption, n_left=2)
    growth = _growth(exponents, [*MEASURED, recall])
    return f"{sizes}\n\n{render_cells(growth, form, TITLE, n_left=2)}"


def scaling_csv(frame: pd.DataFrame) -> str:
    """Return every row of ``frame`` in full, the data for a plot."""
    return str(frame.to_csv(index=False)).rstrip("\n")


def scaling_caption(records: Sequence[Record], question: str) -> str:
    """Return what must be known before numbers are compared; ``records`` may hold failures."""
    first = records[0]
    cpus = dict.fromkeys(f"{one.machine['cpu']} x {one.machine['cores']}" for one in records)
    gpus = dict.fromkeys(str(one.machine["gpu"]) for one in records if "gpu" in one.machine)
    loads = dict.fromkeys(scenario(one.load) for one in records if one.load)
    timed = sorted({one.n_timed for one in records if one.n_timed})
    sent = f", {timed[0]:,} to {timed[-1]:,} queries timed" if timed else ""
    libraries = ", ".join(f"{name} {version}" for name, version in first.environment.items())
    return "\n".join(
        [
            f"{first.suite}: {question}",
            f"data: {first.dataset.partition('(')[0]}, drawn anew for each n",
            f"speed: {' and '.join(loads) or 'not measured'}, host memory to host memory{sent}",
            f"threads: {first.threads} searching, {first.fit_threads} fitting and building",
            f"machine: {', '.join([*cpus, *gpus])} cores; {libraries}",
            f"commit {', '.join(dict.fromkeys(one.commit for one in records))}",
        ]
    )


def _growth(exponents: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for (_, one), setting in zip(exponents.iterrows(), _settings(exponents), strict=True):
        rows.setdefault((one["case"], setting), {})[one["quantity"]] = _law(one)
    cells = [
        [*series, *(found.get(one, NOTHING) for one in quantities)]
        for series, found in rows.items()
    ]
    headers = ["method", "setting", *(LABELS.get(one, one) for one in quantities)]
    return pd.DataFrame(cells, columns=headers)


def _law(row: "pd.Series[Any]") -> str:
    if pd.isna(row["exponent"]):
        return str(row["note"])
    exponent = f"{row['exponent']:.2f}"
    if pd.isna(row["low"]):
        return f"{exponent} ({row['note']})"
    return f"{exponent} [{row['low']:.2f}, {row['high']:.2f}]"


def _settings(frame: pd.DataFrame) -> list[str]:
    """Return for each row its search parameters, and the device and load where there are two."""
    loads = [scenario(one) if one else "" for one in frame["load"]]
    several = len({one for one in loads if one}) > 1
    parts = []
    for (_, row), load in zip(frame.iterrows(), loads, strict=True):
        words = [f"{name}={value}" for name, value in row["search"].items()]
        words += [row["device"]] if frame["device"].nunique() > 1 else []
        parts.append(" ".join([*words, load] if several and load else words))
    return parts

"""The tables of a scale run: a row per method and size, then the exponents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.frame import plain_numbers
from harness.compare.scaling import MEASURED, series_key
from harness.compare.scenario import scenario
from harness.record import Record
from harness.report.caption import PROFILES, noise_line
from harness.report.numbers import MB, MS, NOTHING, Column
from harness.report.rows import verdicts
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
AXES = ("device", "seed", "repeat")  # told where there are several
TITLE = (
    "exponent e of y = a n^e over valid rows, least squares in logarithms, and its 95 % interval, "
    "from 3 sizes on"
)


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
    cells = pd.DataFrame({"method": frame["case"], "setting": setting_texts(frame, frame)})
    for column in (*COLUMNS, Column(recall, recall, form=lambda value: f"{value:.4f}")):
        cells[column.header] = column.cells(frame)
    cells["status"], notes = verdicts(frame)
    sizes = render_cells(cells, form, caption, notes, n_left=2)
    if exponents.empty:
        return f"{sizes}\n\nno exponents: no row is valid"
    return f"{sizes}\n\n{render_exponents(exponents, recall, frame, form)}"


def render_exponents(
    exponents: pd.DataFrame, quality: str, frame: pd.DataFrame, form: Format
) -> str:
    """Return the table of exponents; arguments as of `render_scaling`."""
    growth = _growth(exponents, [*MEASURED, quality], frame)
    return render_cells(growth, form, TITLE, n_left=2)


def scaling_csv(frame: pd.DataFrame) -> str:
    """Return every row of ``frame`` in full, a column per parameter: the data for a plot."""
    return str(plain_numbers(frame).to_csv(index=False)).rstrip("\n")


def scaling_caption(records: Sequence[Record], question: str) -> str:
    """Return what must be known before numbers are compared; ``records`` may hold failures."""
    first = records[0]
    cpus = dict.fromkeys(f"{one.machine['cpu']} x {one.machine['cores']}" for one in records)
    gpus = dict.fromkeys(str(one.machine["gpu"]) for one in records if "gpu" in one.machine)
    loads = dict.fromkeys(scenario(one.load) for one in records if one.load)
    timed = sorted({one.n_timed for one in records if one.n_timed})
    sent = f", {timed[0]:,} to {timed[-1]:,} queries timed" if timed else ""
    libraries = ", ".join(f"{name} {version}" for name, version in first.environment.items())
    profile = first.profile or "smoke"
    return "\n".join(
        [
            f"{first.suite}: {question}",
            f"data: {first.dataset.partition('(')[0]}, drawn anew for each n",
            f"speed: {' and '.join(loads) or 'not measured'}, host memory to host memory{sent}",
            f"profile {profile}: {PROFILES.get(profile, 'unknown to this program')}",
            noise_line(records, None),
            f"threads: {first.threads} searching, {first.fit_threads} fitting and building",
            f"machine: {', '.join([*(f'{one} cores' for one in cpus), *gpus])}; {libraries}",
            f"commit {', '.join(dict.fromkeys(_short(one.commit) for one in records))}",
        ]
    )


def _growth(
    exponents: pd.DataFrame, quantities: Sequence[str], frame: pd.DataFrame
) -> pd.DataFrame:
    """Return a row of cells per series; ``exponents`` has one row per series and quantity."""
    rows: dict[str, tuple[list[str], dict[str, str]]] = {}
    settings = setting_texts(exponents, frame)
    for (_, one), setting in zip(exponents.iterrows(), settings, strict=True):
        laws = rows.setdefault(series_key(one), ([one["case"], setting], {}))[1]
        laws[one["quantity"]] = _law(one)
    cells = [
        [*names, *(laws.get(one, NOTHING) for one in quantities)] for names, laws in rows.values()
    ]
    headers = ["method", "setting", *(LABELS.get(one, one) for one in quantities)]
    return pd.DataFrame(cells, columns=headers)


def _law(row: "pd.Series[Any]") -> str:
    if pd.isna(row["exponent"]):
        return str(row["note"])
    exponent = f"{row['exponent']:.2f}"
    if pd.isna(row["low"]):
        return f"{exponent} ({row['n_sizes']} sizes)"
    return f"{exponent} [{row['low']:.2f}, {row['high']:.2f}]"


def setting_texts(rows: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    """Return for each row its search parameters, and whatever else tells it from others of a case.

    Parameters
    ----------
    frame : all rows of the run, which say what there are several of.
    """
    several = [name for name in AXES if name in rows and frame[name].nunique() > 1]
    texts = []
    for _, row in rows.iterrows():
        peers = frame[frame["case"] == row["case"]]
        build = [
            f"{name}={value}"
            for name, value in row["build"].items()
            if any(one[name] != value for one in peers["build"])
        ]
        search = [f"{name}={value}" for name, value in row["search"].items()]
        loads = {scenario(one) for one in frame["load"] if one}
        load = [scenario(row["load"])] if row["load"] and len(loads) > 1 else []
        axes = [str(row[name]) if name == "device" else f"{name}={row[name]}" for name in several]
        texts.append(" ".join([*build, *search, *axes, *load]))
    return texts


def _short(commit: str) -> str:
    return commit[:10] + ("+dirty" if commit.endswith("+dirty") else "")

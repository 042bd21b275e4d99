"""Scaling: how time, bytes and quality grow with the catalogue; exponents with intervals."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from harness.record import Record, Status

SERIES = ("case", "build", "search", "load", "device")  # what all sizes of one series share
MEASURED = (
    "fit_build_s",
    "index_bytes",
    "qps",
    "latency_p99_s",
)  # and the recall that is asked for


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``y = a * n^exponent``, fitted.

    Attributes
    ----------
    exponent : the slope of log y on log n.
    low, high : its interval; None where fewer than three points or sizes leave nothing to tell the
        spread about the line.
    n_sizes : different sizes.
    """

    exponent: float
    low: float | None
    high: float | None
    n_sizes: int


def fit_power_law(
    sizes: Sequence[float], values: Sequence[float], *, level: float = 0.95
) -> PowerLaw:
    """Return the power law through the points, by least squares of log y on log n.

    The interval is Student's, with as many degrees of freedom as points less two; it covers the
    exponent at its level if the logarithms scatter normally and alike about the line. With three
    sizes it is wide: one degree of freedom. A bend (a cache that no longer suffices) is not noise,
    and an exponent over it is an average.

    Raises
    ------
    ValueError
        Fewer than two sizes, or a size or value that is not positive and finite.
    """
    n, y = np.asarray(sizes, np.float64), np.asarray(values, np.float64)
    if n.shape != y.shape or n.ndim != 1:
        raise ValueError(f"{n.size} sizes for {y.size} values")
    if not (np.isfinite(n) & np.isfinite(y) & (n > 0) & (y > 0)).all():
        raise ValueError(f"sizes {n.tolist()} and values {y.tolist()} must be positive and finite")
    n_sizes = np.unique(n).size
    if n_sizes < 2:
        raise ValueError(f"an exponent needs two sizes or more, got {n_sizes}")
    x, z = np.log(n) - np.log(n).mean(), np.log(y) - np.log(y).mean()
    squares = float(x @ x)
    slope = float(x @ z) / squares
    if n_sizes < 3:
        return PowerLaw(slope, None, None, n_sizes)
    freedom = n.size - 2
    variance = float(((z - slope * x) ** 2).sum()) / freedom
    half = float(student.ppf((1 + level) / 2, freedom)) * math.sqrt(variance / squares)
    return PowerLaw(slope, slope - half, slope + half, n_sizes)


def scaling_frame(records: Sequence[Record], sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return one row per record in the order of series and size.

    Parameters
    ----------
    sizes : trial id -> n_items.

    Notes
    -----
    Columns: ``case``, ``device``, ``build``, ``search``, ``load`` (tables), ``n_items``, those of
    `MEASURED`, a column per metric, ``bytes_per_item``, ``n_timed``, ``seed``, ``status``,
    ``reason``. ``fit_build_s`` is fit, refit and build together.
    """
    rows = [_row(record, sizes[record.trial_id]) for record in records]
    frame = pd.DataFrame(rows)
    first = {case: number for number, case in enumerate(dict.fromkeys(frame["case"]))}
    order = frame.assign(
        first=frame["case"].map(first), key=[_key(row) for _, row in frame.iterrows()]
    )
    order = order.sort_values(["first", "device", "n_items", "key"], kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


def exponents(frame: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Return the exponent of each quantity for each series, over its valid rows.

    Seeds and repeats of one size are further points of a series. Columns: those of `SERIES`,
    ``quantity``, ``exponent``, ``low``, ``high``, ``n_sizes``, ``note``: what is missing and why.
    """
    valid = frame[frame["status"] == Status.OK]
    rows: list[dict[str, Any]] = []
    for _, series in valid.groupby([_key(row) for _, row in valid.iterrows()], sort=False):
        shared = {name: series.iloc[0][name] for name in SERIES}
        rows += [{**shared, "quantity": one, **_exponent(series, one)} for one in quantities]
    columns = [*SERIES, "quantity", "exponent", "low", "high", "n_sizes", "note"]
    return pd.DataFrame(rows, columns=columns)


def _row(record: Record, n_items: int) -> dict[str, Any]:
    fit_build_s = None
    if record.fit_s is not None and record.build_s is not None:
        fit_build_s = record.fit_s + (record.refit_s or 0.0) + record.build_s
    n_bytes = record.index_bytes
    return {
        **{name: getattr(record, name) for name in SERIES},
        "n_items": n_items,
        "fit_build_s": fit_build_s,
        "index_bytes": n_bytes,
        "bytes_per_item": None if n_bytes is None else n_bytes / n_items,
        "qps": record.qps,
        "latency_p99_s": record.latency_p99_s,
        **record.metrics,
        "n_timed": record.n_timed,
        "seed": record.seed,
        "status": str(record.status),
        "reason": record.reason,
    }


def _key(row: "pd.Series[Any]") -> str:
    return json.dumps([row[name] for name in SERIES], sort_keys=True)


def _exponent(series: pd.DataFrame, quantity: str) -> dict[str, Any]:
    """Return the fit of one quantity, or the reason why there is none."""
    nothing = {"exponent": None, "low": None, "high": None}
    if quantity not in series:
        return {**nothing, "n_sizes": 0, "note": "not measured"}
    values: npt.NDArray[np.float64] = pd.to_numeric(series[quantity]).to_numpy(np.float64)
    sizes = series["n_items"].to_numpy(np.float64)
    kept = np.isfinite(values) & (values > 0)  # nothing below its smallest sample, no log of zero
    n_sizes = int(np.unique(sizes[kept]).size)
    if n_sizes < 2:
        return {**nothing, "n_sizes": n_sizes, "note": f"{n_sizes} sizes: no exponent"}
    law = fit_power_law(sizes[kept].tolist(), values[kept].tolist())
    note = "" if law.low is not None else "2 sizes: no interval"
    return {
        "exponent": law.exponent,
        "low": law.low,
        "high": law.high,
        "n_sizes": n_sizes,
        "note": note,
    }

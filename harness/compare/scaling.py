"""Scaling: how time, bytes and quality grow with the catalogue; exponents with intervals."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from harness.record import Record, Status

SERIES = ("case", "build", "search", "load", "device")  # what all sizes of one series share
_N_ITEMS = re.compile(r"\bn_items=(\d+)")
MEASURED = ("fit_build_s", "index_bytes", "qps", "latency_p99_s")  # and the recall asked for


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``y = a * n^exponent``, fitted.

    Attributes
    ----------
    exponent : the slope of log y on log n.
    low, high : its interval; None where two sizes leave nothing to tell the spread by.
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

    Each size is one point, the mean of log y over its values: several seeds or repeats of a size
    share what departs from the line there, so they are no points of their own. The interval is
    Student's, with as many degrees of freedom as sizes less two; it covers the exponent at its
    level if those points scatter normally and alike about the line. With three sizes it is wide:
    one degree of freedom. A bend (a cache that no longer suffices) is not noise, and an exponent
    over it is an average.

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
    different, places = np.unique(n, return_inverse=True)
    if different.size < 2:
        raise ValueError(f"an exponent needs two sizes or more, got {different.size}")
    means = np.bincount(places, weights=np.log(y)) / np.bincount(places)
    x, z = np.log(different) - np.log(different).mean(), means - means.mean()
    squares = float(x @ x)
    slope = float(x @ z) / squares
    freedom = different.size - 2
    if freedom == 0:
        return PowerLaw(slope, None, None, different.size)
    variance = float(((z - slope * x) ** 2).sum()) / freedom
    half = float(student.ppf((1 + level) / 2, freedom)) * math.sqrt(variance / squares)
    return PowerLaw(slope, slope - half, slope + half, different.size)


def scaling_frame(records: Sequence[Record], sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return one row per record in the order of series and size.

    Parameters
    ----------
    sizes : trial id -> n_items.

    Notes
    -----
    Columns: ``case``, ``device``, ``build``, ``search``, ``load`` (tables), ``n_items``, those of
    `MEASURED`, a column per metric, ``bytes_per_item``, ``n_timed``, ``seed``, ``repeat``,
    ``status``, ``reason``, ``warnings``. ``fit_build_s`` is fit, refit and build together.
    """
    rows = [_row(record, sizes[record.trial_id]) for record in records]
    frame = pd.DataFrame(rows)
    first = {case: number for number, case in enumerate(dict.fromkeys(frame["case"]))}
    order = frame.assign(
        first=frame["case"].map(first), key=[series_key(row) for _, row in frame.iterrows()]
    )
    order = order.sort_values(["first", "device", "n_items", "key"], kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


def exponents(frame: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Return the exponent of each quantity for each series, over its valid rows.

    Seeds and repeats of a size belong to the same series. Columns: those of `SERIES`, ``quantity``,
    ``exponent``, ``low``, ``high``, ``n_sizes``, ``note``: what is missing and why.
    """
    valid = frame[frame["status"] == Status.OK]
    keys = pd.Series(
        [series_key(row) for _, row in valid.iterrows()], index=valid.index, dtype=object
    )
    rows: list[dict[str, Any]] = []
    for _, series in valid.groupby(keys, sort=False):
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
        "repeat": record.repeat,
        "status": str(record.status),
        "reason": record.reason,
        "warnings": record.warnings,
    }


def series_key(row: "pd.Series[Any]") -> str:
    """Return text that the rows of one series share, and no others."""
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
        sizes_in_words = "1 size" if n_sizes == 1 else "no size"
        return {**nothing, "n_sizes": n_sizes, "note": f"{sizes_in_words}: no exponent"}
    law = fit_power_law(sizes[kept].tolist(), values[kept].tolist())
    note = "" if law.low is not None else "2 sizes: no interval"
    return {
        "exponent": law.exponent,
        "low": law.low,
        "high": law.high,
        "n_sizes": n_sizes,
        "note": note,
    }


def catalogue_sizes(records: Sequence[Record]) -> dict[str, int]:
    """Return trial -> n_items of the records that are of one synthetic dataset at several sizes.

    A dataset's name holds its parameters; those that differ in ``n_items`` alone are one series. Of
    several such datasets the one with the most sizes is taken; {} where there is none.
    """
    series: dict[str, dict[str, int]] = {}
    for one in records:
        if found := _N_ITEMS.search(one.dataset):
            rest = _N_ITEMS.sub("n_items", one.dataset)
            series.setdefault(rest, {})[one.trial_id] = int(found[1])
    several = [sizes for sizes in series.values() if len(set(sizes.values())) > 1]
    return max(several, key=lambda sizes: len(set(sizes.values())), default={})

"""Rows that belong together become one: repeats in fresh processes, and the loads of a setting."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.scenario import scenario
from harness.record import Status

Row = dict[str, Any]
SETTING = (
    "suite", "case", "method", "build", "search", "dataset", "split", "data_hash", "device",
    "threads", "fit_threads", "learned_from", "seed", "profile",
)  # fmt: skip
POINT = (*SETTING, "load")


def merge_repeats(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per operating point and load.

    The numbers of a row are those of one repeat, that of the median QPS (of two, the lower), so
    that rate, percentiles and memory come from the same pass and process. ``n_repeats`` counts
    them, ``qps_repeats`` holds the QPS of all. One repeat that is not valid makes the row so; a
    metric that differs between repeats becomes a warning.
    """
    merged = []
    for group in _groups(frame, POINT, "repeat").values():
        rates = [row["qps"] for row in group if not pd.isna(row["qps"])]
        row = _joined(group, _median_repeat(group), lambda one: f"repeat {one['repeat']}")
        row["warnings"] = (*row["warnings"], *_differing_metrics(group))
        merged.append({**row, "n_repeats": len(group), "qps_repeats": tuple(rates)})
    return pd.DataFrame(merged)


def merge_loads(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per search setting: what does not depend on the load stands there once.

    The row is that of the load whose record holds the stages, else of the first; its status and
    warnings speak for all loads but those that were skipped, unless all were.
    """
    stages = [name for name in frame.columns if str(name).startswith("stages_s.")]
    merged = []
    for loads in _groups(frame, SETTING, "load").values():
        group = [one for one in loads if one["status"] != Status.SKIPPED] or loads
        chosen = next((one for one in group if any(not pd.isna(one[s]) for s in stages)), group[0])
        merged.append(_joined(group, chosen, lambda one: scenario(one["load"])))
    return pd.DataFrame(merged)


def _groups(frame: pd.DataFrame, names: Sequence[str], part: str) -> Mapping[str, list[Row]]:
    """Return rows by what they share; two rows with the same ``part`` never share a group."""
    groups: dict[str, list[Row]] = {}
    met: dict[str, int] = {}
    for row in frame.to_dict("records"):
        key = _key(row, names)
        one = f"{key} {_key(row, (part,))}"
        met[one] = met.get(one, 0) + 1
        groups.setdefault(f"{met[one]} {key}", []).append({str(n): v for n, v in row.items()})
    return groups


def _key(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    return json.dumps([row[name] for name in names], sort_keys=True)


def _joined(group: Sequence[Row], chosen: Row, label: Callable[[Row], str]) -> Row:
    """Return the chosen row with the faults and warnings of the whole group."""
    bad = [one for one in group if one["status"] != Status.OK]
    warnings = dict.fromkeys(text for one in group for text in one["warnings"])
    row = {**chosen, "warnings": tuple(warnings)}
    if bad:
        reasons: dict[str, list[str]] = {}
        for one in bad:
            reasons.setdefault(str(one["reason"]), []).append(label(one))
        row["status"] = bad[0]["status"]
        row["reason"] = "; ".join(
            why if len(group) == 1 else f"{', '.join(who)}: {why}" for why, who in reasons.items()
        )
    return row


def _median_repeat(group: Sequence[Row]) -> Row:
    timed = sorted((one for one in group if not pd.isna(one["qps"])), key=lambda one: one["qps"])
    return timed[(len(timed) - 1) // 2] if timed else group[0]


def _differing_metrics(group: Sequence[Row]) -> list[str]:
    warnings = []
    for name in group[0]:
        if f"{name}.low" not in group[0]:
            continue
        values = [one[name] for one in group if not pd.isna(one[name])]
        if values and min(values) != max(values):
            warnings.append(
                f"{name} differs between repeats: {min(values):.4f} to {max(values):.4f}"
            )
    return warnings

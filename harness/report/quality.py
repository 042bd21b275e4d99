"""Quality as cells: a metric with its interval, a best marked only where it is sure."""

import pandas as pd

from harness.record import Status
from harness.report.numbers import NOTHING

BOUND = "best_possible"  # an upper bound, not a competitor: never marked as best
BEST = "*"


def metric_cells(frame: pd.DataFrame, metric: str) -> list[str]:
    """Return the mean with the wider half of its 95 % interval, and the mark of a sure best."""
    if metric not in frame:
        return [NOTHING] * len(frame)
    cells = []
    missing = pd.Series([float("nan")] * len(frame), index=frame.index)
    lows, highs = frame.get(f"{metric}.low", missing), frame.get(f"{metric}.high", missing)
    for value, low, high, best in zip(
        frame[metric], lows, highs, best_rows(frame, metric), strict=True
    ):
        if pd.isna(value):
            cells.append(NOTHING)
            continue
        spread = "" if pd.isna(low) else f" ±{max(high - value, value - low):.4f}"
        cells.append(f"{value:.4f}{spread}{BEST if best else ''}")
    return cells


def best_rows(frame: pd.DataFrame, metric: str) -> list[bool]:
    """Return for each row whether it is the best of a metric, sure of it by the intervals.

    The best must clear every row of another value, of its own case too; rows of its case with the
    same value (another load, a served list equal to the dense one) are marked together.
    """
    low, high = f"{metric}.low", f"{metric}.high"
    competes = (frame["status"] == Status.OK) & (frame["method"] != BOUND)
    if not {metric, low, high} <= set(frame.columns):
        return [False] * len(frame)
    ranked = frame[competes & frame[metric].notna()].sort_values(metric, ascending=False)
    if ranked.empty:
        return [False] * len(frame)
    top = ranked.iloc[0]
    is_same = (ranked["case"] == top["case"]) & (ranked[metric] == top[metric])
    others = ranked[~is_same]
    if others.empty or not (top[low] > others[high]).all():  # nothing is above an unknown bound
        return [False] * len(frame)
    same = (frame["case"] == top["case"]) & (frame[metric] == top[metric]) & competes
    return [bool(one) for one in same]

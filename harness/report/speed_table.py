"""The table of speed ratios to a baseline."""

from collections.abc import Sequence

import pandas as pd

from harness.compare.points import Pair
from harness.compare.scenario import scenario
from harness.report.comparison import name_rows
from harness.report.numbers import NOTHING, rounded
from harness.report.rows import verdicts
from harness.report.table import Format, render_cells

HEADERS = {
    "qps": "QPS x",
    "max_qps": "max QPS x",
    "latency_p50_s": "p50 x",
    "latency_p95_s": "p95 x",
    "latency_p99_s": "p99 x",
    "fit_s": "fit x",
    "build_s": "build x",
    "index_bytes": "index x",
}
CAPTION = (
    "speed: value over the baseline's, x; of QPS above 1 is faster, of times and bytes below 1 is "
    "less\n"
    "[95 % interval] of the ratio: over seeds, each the mean of its repeats, by Welch's t with no "
    "less variance than A/A pairs tell; of one seed from A/A pairs, else from repeats, and of this "
    "training alone; three or more repeats or seeds are needed, of two there is none and no "
    "verdict, nor where it would reach further than tenfold from its ratio; * the interval "
    "excludes 1; nothing is said of a rate that the arrivals fix, or of a fit or build below 1 ms"
)


def render_speed(
    frame: pd.DataFrame, pairs: Sequence[Pair], form: Format, caption: str = ""
) -> str:
    """Return the table of `harness.compare.speed.compare_speed` as text."""
    named = name_rows(frame, pairs)
    cells = {
        "method": named["case"].tolist(),
        "setting": named["setting"].tolist(),
        "scenario": [scenario(load) for load in frame["load"]],
    }
    if not any(cells["setting"]):
        del cells["setting"]
    n_left = len(cells)
    for name, header in HEADERS.items():
        columns = (frame[name], frame[f"{name}.low"], frame[f"{name}.high"])
        texts = [_ratio(*one) for one in zip(*columns, strict=True)]
        if any(one != NOTHING for one in texts):
            cells[header] = texts
    status, notes = verdicts(frame)
    table = pd.DataFrame({**cells, "status": status})
    lines = "\n".join(one for one in (caption, CAPTION) if one)
    return render_cells(table, form, lines, notes, n_left=n_left)


def _ratio(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return NOTHING
    if pd.isna(low) or low == high:
        return rounded(value)
    mark = "*" if low > 1 or high < 1 else ""
    return f"{rounded(value)}{mark} [{rounded(low)}, {rounded(high)}]"

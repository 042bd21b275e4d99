"""The table of a tuning: per case what was tried, what came of it, and what was chosen."""

from collections.abc import Sequence

import pandas as pd

from harness.report.numbers import NOTHING
from harness.report.table import render_cells
from harness.tuning import Outcome, TuningTrial


def render_tuning(outcomes: Sequence[Outcome], metric: str, caption: str = "") -> str:
    """Return a row per case: trials, failures, the best and the default's value, what was chosen.

    Values are means over validation queries: the best of many is chosen by them, so it flatters,
    and no test value.
    """
    notes = list(dict.fromkeys(one.reason for one in outcomes if one.reason))
    cells = pd.DataFrame([_row(one, metric, notes) for one in outcomes])
    return render_cells(cells, "text", caption, notes, n_left=1)


def _row(outcome: Outcome, metric: str, notes: list[str]) -> dict[str, str]:
    best = outcome.best
    mark = f" [{notes.index(outcome.reason) + 1}]" if outcome.reason else ""
    return {
        "case": outcome.case,
        "trials": f"{len(outcome.trials)}{mark}",
        "failed": str(outcome.n_failed),
        f"best {metric}": _value(best),
        "default's": _value(outcome.default),
        "trial": NOTHING if best is None else str(best.number),
        "chosen": NOTHING if best is None else _chosen(best),
    }


def _value(trial: TuningTrial | None) -> str:
    return NOTHING if trial is None or trial.value is None else f"{trial.value:.4f}"


def _chosen(trial: TuningTrial) -> str:
    """Return the chosen values in a line, numbers in four significant digits."""
    return ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in trial.values.items()
    )

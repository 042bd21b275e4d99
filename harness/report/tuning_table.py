"""The table of a tuning: per case what was tried, what came of it, and what was chosen."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.report.numbers import NOTHING
from harness.report.table import render_cells
from harness.tuning import Outcome, TuningTrial


def render_tuning(
    outcomes: Sequence[Outcome],
    metric: str,
    caption: str = "",
    with_search: Collection[str] = (),
) -> str:
    """Return a row per case: trials, failures, the best and the default's value, what was chosen.

    Cases ``with_search`` have several search settings: the one whose value it is stands there too.

    Values are means over validation queries: the best of many is chosen by them, so it flatters,
    and no test value.
    """
    notes = list(dict.fromkeys(one.reason for one in outcomes if one.reason))
    rows = [_row(one, metric, notes, told=one.case in with_search) for one in outcomes]
    cells = pd.DataFrame(rows)
    return render_cells(cells, "text", caption, notes, n_left=1)


def _row(outcome: Outcome, metric: str, notes: list[str], *, told: bool) -> dict[str, str]:
    best = outcome.best
    mark = f" [{notes.index(outcome.reason) + 1}]" if outcome.reason else ""
    return {
        "case": outcome.case,
        "trials": f"{len(outcome.trials)}{mark}",
        "failed": str(outcome.n_failed),
        f"best {metric}": _value(best),
        "default's": _value(outcome.default),
        "trial": NOTHING if best is None else str(best.number),
        "chosen": NOTHING if best is None else _chosen(best, told=told),
    }


def _value(trial: TuningTrial | None) -> str:
    return NOTHING if trial is None or trial.value is None else f"{trial.value:.4f}"


def _chosen(trial: TuningTrial, *, told: bool) -> str:
    """Return what was chosen in a line, numbers in four significant digits."""
    found = f"; best search: {_named(trial.search)}" if told else ""
    return _named(trial.values) + found


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in values.items()
    )

"""The table of a run: a row per operating point, with units, intervals, verdicts and notes."""

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
from tabulate import tabulate

from harness.compare.frame import plain_numbers
from harness.compare.merging import merge_repeats
from harness.report.rows import verdicts
from harness.report.views import View, view_of

Format = Literal["text", "markdown", "latex", "csv"]
FORMATS: Mapping[str, str] = {"text": "simple", "markdown": "github", "latex": "latex_booktabs"}
# What plain LaTeX would take as a command; tabulate does the same to cells.
_LATEX: Mapping[int, str] = str.maketrans({
    **{one: f"\\{one}" for one in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}",
})  # fmt: skip


def render(
    frame: pd.DataFrame,
    metrics: Sequence[str],
    form: Format,
    caption: str = "",
    view: View = "main",
) -> str:
    """Return the table of records as text.

    Parameters
    ----------
    frame : what `harness.compare.frame.to_frame` returns.
    metrics : the metric columns, in order.
    form : ``csv`` gives every number of every record in full, whatever the view.
    caption : lines that stand above the table; in LaTeX its caption; not in CSV.
    view : which columns; see `harness.report.views`.

    Notes
    -----
    ``*`` marks the best of a metric column where its 95 % interval clears that of the second.
    Warnings stand below the table under the numbers that the rows carry.
    """
    if form == "csv":
        return str(plain_numbers(frame).to_csv(index=False)).rstrip("\n")
    rows, cells = view_of(view, merge_repeats(frame), metrics)
    status, notes = verdicts(rows)
    return render_cells(cells.assign(status=status), form, caption, notes, n_left=2)


def render_cells(
    cells: pd.DataFrame,
    form: Format,
    caption: str = "",
    notes: Sequence[str] = (),
    *,
    n_left: int = 1,
) -> str:
    """Return cells that are text already, with lines above and numbered notes below.

    The first ``n_left`` columns and the last are aligned to the left, the others to the right.
    """
    if form == "csv":
        return str(cells.to_csv(index=False)).rstrip("\n")
    n_right = len(cells.columns) - n_left - 1
    body = tabulate(
        cells.values.tolist(),
        headers=list(cells.columns),
        tablefmt=FORMATS[form],
        disable_numparse=True,
        colalign=[*["left"] * n_left, *["right"] * n_right, "left"],
    )
    numbered = [f"[{number}] {note}" for number, note in enumerate(notes, 1)]
    if form == "latex":
        return _latex_table(body, caption, numbered)
    if form == "markdown":
        numbered = [f"{one}  " for one in numbered]  # two spaces: a line of its own
    parts = (caption, body, "\n".join(numbered))
    return "\n\n".join(part for part in parts if part)


def _latex_table(body: str, caption: str, notes: Sequence[str]) -> str:
    """Return a floating table that needs the package booktabs and nothing else."""
    lines = [line.translate(_LATEX) for line in caption.splitlines()]
    small = [rf"\par {one.translate(_LATEX)}" for one in notes]
    parts = [
        r"\begin{table}",
        r"\centering",
        *([rf"\caption{{{'; '.join(lines)}}}"] if lines else []),
        body,
        *([r"\footnotesize", *small] if small else []),
        r"\end{table}",
    ]
    return "\n".join(parts)

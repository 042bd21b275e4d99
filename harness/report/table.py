"""The table of a run: a row per operating point, with units, intervals, verdicts and notes."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
import tabulate

from harness.compare.frame import plain_numbers
from harness.compare.merging import merge_repeats
from harness.report.rows import verdicts
from harness.report.views import View, view_of

Format = Literal["text", "markdown", "latex", "csv", "html"]
FORMATS: Mapping[str, str] = {
    "text": "simple",
    "markdown": "github",
    "latex": "latex_booktabs",
    "html": "html",
}
LEFT = ("method", "setting", "scenario")  # the columns of words, which come first
WIDTH = 160  # characters of a line above or below a table of text
tabulate.MIN_PADDING = 0  # it would make each column two characters wider than its header
# What plain LaTeX would take as a command; tabulate does the same to cells.
_LATEX: Mapping[int, str] = str.maketrans({
    **{one: f"\\{one}" for one in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\ensuremath{|}",
    "±": r"\ensuremath{\pm}",
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
        return csv_of(frame)
    rows, cells = view_of(view, merge_repeats(frame), metrics)
    status, notes = verdicts(rows)
    n_left = sum(name in LEFT for name in cells.columns)
    return render_cells(cells.assign(status=status), form, caption, notes, n_left=n_left)


def csv_of(frame: pd.DataFrame) -> str:
    """Return a frame as CSV; one without rows as its header."""
    plain = frame if frame.empty else plain_numbers(frame)
    return str(plain.to_csv(index=False)).rstrip("\n")


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
    if form == "markdown":
        cells = cells.map(lambda text: text.replace("|", r"\|"))
    body = tabulate.tabulate(
        cells.values.tolist(),
        headers=list(cells.columns),
        tablefmt=FORMATS[form],
        disable_numparse=True,
        colalign=[*["left"] * n_left, *["right"] * n_right, "left"],
    )
    above, below = caption.splitlines(), [f"[{n}] {note}" for n, note in enumerate(notes, 1)]
    if form == "latex":
        return _latex_table(body, above, below)
    if form == "html":
        return _html_figure(body, above, below)
    break_lines = _wrapped if form == "text" else _markdown_lines
    parts = (break_lines(above), body, break_lines(below))
    return "\n\n".join(part for part in parts if part)


def _wrapped(lines: Sequence[str]) -> str:
    """Return lines broken where they are longer than WIDTH; what goes on is indented."""
    wrap = textwrap.TextWrapper(
        WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrap.fill(line) for line in lines)


def _markdown_lines(lines: Sequence[str]) -> str:
    """Return lines that stay lines: two spaces at the end, and no star is an emphasis."""
    return "\n".join(line.replace("*", r"\*") + "  " for line in lines)


def _html_figure(body: str, caption: Sequence[str], notes: Sequence[str]) -> str:
    """Return a figure to be put into a page: caption, table, notes; tabulate escapes the cells."""
    lines = "<br>\n".join(html.escape(one) for one in caption)
    parts = [
        "<figure>",
        *([f"<figcaption>\n{lines}\n</figcaption>"] if lines else []),
        body,
        *(f"<p>{html.escape(one)}</p>" for one in notes),
        "</figure>",
    ]
    return "\n".join(parts)


def _latex_table(body: str, caption: Sequence[str], notes: Sequence[str]) -> str:
    r"""Return a floating table that fits the page, with a comment that says what it needs.

    The tabular goes into box 0, which is scaled down to the width of a line where it is wider, and
    then to half a page's height where it is higher, as caption and notes
    stand above and below; one that fits keeps its size. Only
    ``booktabs`` and ``graphicx`` are needed.
    """
    lines = [line.translate(_LATEX) for line in caption]
    small = [rf"\par {one.translate(_LATEX)}" for one in notes]
    tabular = body.replace("±", _LATEX[ord("±")]).replace("|", _LATEX[ord("|")])
    parts = [
        r"% needs \usepackage{booktabs} and \usepackage{graphicx}, which fits it to the page",
        r"\begin{table}",
        r"\centering\sloppy",
        *([rf"\caption{{{'; '.join(lines)}}}"] if lines else []),
        rf"\setbox0\hbox{{{tabular}}}",
        r"\ifdim\wd0>\linewidth\setbox0\hbox{\resizebox{\linewidth}{!}{\box0}}\fi",
        r"\dimen0=\ht0\advance\dimen0 by \dp0",
        r"\ifdim\dimen0>0.5\textheight\setbox0\hbox{\resizebox*{!}{0.5\textheight}{\box0}}\fi",
        r"\leavevmode\box0",
        *([r"\footnotesize", *small] if small else []),
        r"\end{table}",
    ]
    return "\n".join(parts)

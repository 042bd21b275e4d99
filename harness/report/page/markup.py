"""Markup: text -> HTML, cells -> tables, charts -> figures. Everything given is escaped here."""

import html
from collections.abc import Sequence

import pandas as pd

from harness.report.charts.chart import Chart

WORDS = (
    "method",
    "setting",
    "scoring",
    "scenario",
    "what",
    "frontier",
    "training",
    "status",
    "value",
)


def text(value: object) -> str:
    """Return a value as HTML text."""
    return html.escape(str(value))


def prose(words: str) -> str:
    """Return a text in which backticks mark code.

    >>> prose("run `matchbench noise` < 1")
    'run <code>matchbench noise</code> &lt; 1'
    """
    parts = [text(one) for one in words.split("`")]
    return "".join(f"<code>{one}</code>" if number % 2 else one for number, one in enumerate(parts))


def scrolled(table: str, label: str) -> str:
    """Return a table in a box of its own that scrolls sideways, by keyboard too."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(label)}">{table}</div>'
    )


def cells_table(cells: pd.DataFrame, caption: str) -> str:
    """Return cells that are text already as a table; columns of words stand left."""
    kinds = ["" if name in WORDS else ' class="n"' for name in cells.columns]
    head = "".join(
        f'<th scope="col"{kind}>{text(name)}</th>'
        for name, kind in zip(cells.columns, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{text(value)}</td>" for value, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in cells.values.tolist()
    )
    table = f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
    return scrolled(f"{table}<tbody>{rows}</tbody></table>", caption)


def figure(chart: Chart) -> str:
    """Return the place of a chart, which the page's program draws, and its numbers as a table."""
    name = f"chart-{text(chart.name)}"
    return (
        f'<figure class="chart" id="{name}" aria-labelledby="{name}-title">'
        f'<h4 id="{name}-title">{text(chart.title)}</h4>'
        f'<div class="plot" data-chart="{text(chart.name)}"></div>'
        f"<figcaption>{text(chart.description)}</figcaption>"
        f"<details><summary>Numbers of this chart</summary>"
        f"{cells_table(chart.numbers, chart.title)}</details></figure>"
    )


def figures(charts: Sequence[Chart]) -> str:
    """Return charts beside each other where there is room."""
    return f'<div class="charts">{"".join(figure(one) for one in charts)}</div>'


def section(anchor: str, title: str, body: str) -> str:
    """Return a section with its heading."""
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">'
        f'<h2 id="{anchor}-title">{text(title)}</h2>{body}</section>'
    )


def note(words: str) -> str:
    """Return a paragraph."""
    return f"<p>{prose(words)}</p>"


def command(words: str) -> str:
    """Return a command with a button that copies it."""
    return (
        f'<span class="command"><code>{text(words)}</code> '
        f'<button type="button" class="copy" data-copy="{text(words)}">Copy</button></span>'
    )

"""The overview: a row for every record, sortable and filterable, each with how to run it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.compare.frame import to_frame
from harness.compare.grouping import comparable
from harness.compare.merging import merge_repeats
from harness.compare.points import Run
from harness.compare.scenario import scenario
from harness.compare.setting import setting_key
from harness.report.charts.chart import configuration
from harness.report.numbers import MB, MS, NOTHING, Column, columns_of, noisy_cells
from harness.report.page.markup import command, scrolled, text
from harness.report.quality import metric_cells
from harness.report.rows import describe_setting, verdicts

COLUMNS = (
    Column("max QPS", "max_qps"),
    *(Column(f"{one} ms", f"latency_{one}_s", MS) for one in ("p50", "p95", "p99")),
    Column("fit s", "fit_total_s"),
    Column("build s", "build_s"),
    Column("index MB", "index_bytes", MB),
    Column("host MB", "peak_host_bytes", MB),
    Column("device MB", "peak_device_bytes", MB),
)
FILTERS = ("method", "scenario", "device", "status", "group")  # those with several values


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of all groups that compare, their cells by header, and the notes they carry."""

    rows: Sequence[Mapping[Any, Any]]
    cells: dict[str, list[str]]
    numbers: dict[str, list[Any]]
    facts: dict[str, list[str]]
    notes: list[str]


def overview(run: Run, metrics: Sequence[str], changed: Mapping[str, str]) -> str:
    """Return the table with its filters and notes; ``changed`` is that of `Material`."""
    told = _rows(run, metrics)
    filters: list[str] = [one for one in FILTERS if len(set(told.facts[one])) > 1]
    words: list[str] = [one for one in ("scenario", "device", "group") if one in filters]
    words = [*(["setting"] if any(told.facts["setting"]) else []), *words]
    headers = ["method", "status", "again", *words, *told.cells]  # what decides, then numbers
    body = "".join(_row(told, number, words, filters, changed) for number in range(len(told.rows)))
    head = "".join(_header(one, sortable=one != "again") for one in headers)
    table = (
        '<table id="rows"><caption>Every operating point. The heads sort; a row opens to the '
        "command that runs it again and to its whole configuration.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    notes = "".join(f"<li>{text(one)}</li>" for one in told.notes)
    return (
        _filters(told, filters)
        + scrolled(table, "overview")
        + (f'<ol class="notes">{notes}</ol>' if notes else "")
    )


def _rows(run: Run, metrics: Sequence[str]) -> _Rows:
    groups = comparable(run.records)
    frames = [merge_repeats(to_frame(one, run.floor)) for one in groups]
    settings = [one for frame in frames for one in describe_setting(frame, with_load=False)]
    marked = [metric_cells(frame, one) for frame in frames for one in metrics]
    whole = pd.concat(frames, ignore_index=True)
    refit_s = pd.to_numeric(whole["refit_s"]).fillna(0)
    whole = whole.assign(fit_total_s=pd.to_numeric(whole["fit_s"]) + refit_s)
    cells = {
        metric: [cell for n in range(len(frames)) for cell in marked[n * len(metrics) + place]]
        for place, metric in enumerate(metrics)
    }
    numbers = {one: list(whole[one]) if one in whole else [] for one in metrics}
    cells["QPS"], numbers["QPS"] = noisy_cells(whole, Column("QPS", "qps")), list(whole["qps"])
    for header, ones in columns_of(whole, COLUMNS, noisy=True).items():
        cells[header] = ones
        name = next(one.name for one in COLUMNS if one.header == header)
        numbers[header] = list(whole[name])
    status, notes = verdicts(whole)
    told = {one: x for one, x in cells.items() if any(cell != NOTHING for cell in x)}
    facts = {
        "method": [str(one) for one in whole["case"]],
        "setting": settings,
        "scenario": [scenario(one) for one in whole["load"]],
        "device": [str(one) for one in whole["device"]],
        "status": [str(one) for one in whole["status"]],
        "verdict": status,
        "group": [str(n + 1) for n, frame in enumerate(frames) for _ in range(len(frame))],
    }
    return _Rows(whole.to_dict("records"), told, numbers, facts, notes)


def _row(
    told: _Rows,
    number: int,
    words: Sequence[str],
    filters: Sequence[str],
    changed: Mapping[str, str],
) -> str:
    facts = {name: values[number] for name, values in told.facts.items()}
    row = told.rows[number]
    data = f' data-name="{text(facts["method"])} {text(facts["setting"])}"'
    data += "".join(f' data-{one}="{text(facts[one])}"' for one in filters)
    p99 = row.get("latency_p99_s")
    if not pd.isna(p99):
        data += f' data-p99="{float(p99) / MS!r}"'
    why = changed.get(setting_key(row["trial_id"], row["search"], row["load"]), "")
    again = (
        f"{command(str(row['replay']))}{f'<p>{text(why)}.</p>' if why else ''}"
        f"<p>{text(configuration(row['build'], row['search']))}</p>"
        f"<p>trial {text(row['trial_id'])}, seed {row['seed']}</p>"
    )
    cells = [
        f'<th scope="row">{text(facts["method"])}</th>',
        f'<td class="{text(facts["status"])}">{text(facts["verdict"])}</td>',
        f"<td><details><summary>run again</summary>{again}</details></td>",
        *(f"<td>{text(facts[one])}</td>" for one in words),
    ]
    for header, texts in told.cells.items():
        value = told.numbers[header][number] if told.numbers[header] else None
        order = "" if pd.isna(value) else f' data-value="{float(value)!r}"'
        cells.append(f'<td class="n"{order}>{text(texts[number])}</td>')
    return f"<tr{data}>{''.join(cells)}</tr>"


def _header(name: str, *, sortable: bool) -> str:
    kind = "" if name in ("method", "setting", "status", "again", *FILTERS) else ' class="n"'
    if not sortable:
        return f'<th scope="col"{kind}>{text(name)}</th>'
    return (
        f'<th scope="col"{kind} aria-sort="none"><button type="button">{text(name)}</button></th>'
    )


def _filters(told: _Rows, filters: Sequence[str]) -> str:
    parts = ['<label>Find <input type="search" id="find" placeholder="method or setting"></label>']
    for name in filters:
        options = "".join(
            f'<option value="{text(one)}">{text(one)}</option>'
            for one in dict.fromkeys(told.facts[name])
        )
        parts.append(
            f'<label>{name.capitalize()} <select data-filter="{name}">'
            f'<option value="">all</option>{options}</select></label>'
        )
    if "p99 ms" in told.cells:
        parts.append(
            '<label>p99 at most <input type="number" id="p99" min="0" step="any"> ms</label>'
        )
    return (
        f'<form class="filters" aria-label="filter the overview">{"".join(parts)}'
        '<button type="reset">Show all</button>'
        '<output id="count" aria-live="polite"></output></form>'
    )

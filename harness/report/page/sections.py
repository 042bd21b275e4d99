"""Sections: the body of the page; what the records do not hold is said, never invented."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.budgets import Budget, Kind, decide, default_budgets
from harness.compare.frame import to_frame
from harness.compare.frontier import Plane
from harness.compare.points import Pair
from harness.compare.published import Published
from harness.compare.scaling import MEASURED, catalogue_sizes, exponents, scaling_frame
from harness.compare.setting import setting_key
from harness.record import Record
from harness.report.charts.chart import Chart
from harness.report.comparison import render_quality
from harness.report.frontier_tables import render_budgets, render_frontier
from harness.report.material import Material
from harness.report.noise_table import render_noise
from harness.report.numbers import NOTHING, rounded
from harness.report.page.answers import AT_P99_S
from harness.report.page.markup import (
    cells_table,
    command,
    figures,
    note,
    prose,
    scrolled,
    section,
    text,
)
from harness.report.places import places_of
from harness.report.scaling import render_exponents
from harness.report.table import render

ABSENT: Mapping[str, str] = {
    "frontier": "No record holds both a quality and a cost.",
    "ladder": "No case was searched in two ways of scoring. A case of `sparcode` with "
    'search = { scoring = ["unquantised", "quantised", "served"] } has the whole ladder.',
    "latency": "No record holds latencies of single queries; the loads `single_stream` and "
    "`server` time them.",
    "stages": "No record holds times by stage.",
    "memory": "No record holds bytes.",
    "scale": "The records are of one size of the catalogue; `matchbench scale` runs several.",
    "segments": "The files of per-query values do not say how long a query's history is, nor how "
    "popular what it asks for, or were not kept: they were written before that was. A new run has "
    "it.",
    "codes": "No method of this run tells of its codes.",
}
# Key of `Record.details` -> header, in the order in which a reader asks.
CODES: Mapping[str, str] = {
    "codes_in_use": "codes in use",
    "code_perplexity": "perplexity",
    "restarts": "restarts",
    "lists": "lists",
    "mean_list": "mean list",
    "longest_list": "longest list",
    "density": "density",
    "postings": "postings",
    "bytes_a_posting": "bytes a posting",
    "bias": "bias",
}


def frontiers(material: Material, charts: Sequence[Chart]) -> str:
    """Return the charts, and for each plane its points and what budgets give."""
    parts = [figures(charts)] if charts else [note(ABSENT["frontier"])]
    told: set[tuple[int, ...]] = set()
    for plane, name in zip(material.planes, places_of(material.planes), strict=True):
        if not any(plane.axis_values(axis) for axis in ("QPS", "p99", "bytes")):
            continue
        points = tuple(id(one.point) for one in plane.spots)
        kinds: list[Kind] = ["p99", "quality"] if points in told else ["p99", "bytes", "quality"]
        told.add(points)
        budgets = [one for kind in kinds for one in _budgets(plane, kind)]
        decisions = [decide(plane, one, material.reader, material.metric) for one in budgets]
        parts.append(f"<h3>Within a budget: {text(name)}</h3>")
        if decisions:
            table = render_budgets(decisions, material.metric, "html", plane)
            parts.append(scrolled(table, f"budgets: {name}"))
        parts.append(
            "<details><summary>Every point, with index loss and model loss</summary>"
            + scrolled(render_frontier(plane, material.metric, "html"), f"points: {name}")
            + "</details>"
        )
    return section("frontier", "Frontiers and budgets", "".join(parts))


def ranking_section(
    pairs: Sequence[Pair], ranked: pd.DataFrame, published: Sequence[Published]
) -> str:
    """Return every point against the best one, and what others have published."""
    if not pairs:
        return section("ranking", "How sure is the ranking?", note(ABSENT["frontier"]))
    shown = [pairs[int(one)] for one in ranked["pair"]]
    frame = ranked.assign(pair=range(len(shown)))
    caption = "baseline: the point with the highest value"
    table = render_quality(frame, shown, "html", caption, published, all_pairs=True)
    return section("ranking", "How sure is the ranking?", scrolled(table, "ranking"))


def charted(anchor: str, title: str, charts: Sequence[Chart], more: str = "") -> str:
    """Return a section of charts, or why there is none; ``more`` stands below either."""
    body = figures(charts) if charts else note(ABSENT[anchor])
    return section(anchor, title, body + more)


def scale_tables(material: Material, metric: str) -> str:
    """Return the fitted exponents of a run over several sizes, "" for others."""
    sizes = catalogue_sizes(material.run.records)
    records = [one for one in material.run.records if one.trial_id in sizes]
    if not records:
        return ""
    frame = scaling_frame(records, sizes)
    laws = exponents(frame, [*MEASURED, metric])
    if laws.empty:
        return note("No exponents: no row is valid.")
    return scrolled(render_exponents(laws, metric, frame, "html"), "exponents")


def codes_table(records: Sequence[Record]) -> str:
    """Return the health of codes and lists of each trial that tells of them."""
    rows: dict[str, dict[str, Any]] = {}
    for one in records:
        if "codes_in_use" not in one.details:
            continue
        heads = int(one.details.get("tokens", 0))
        row = {"method": one.case, "seed": str(one.seed), "tokens": str(heads or NOTHING)}
        row |= {
            header: rounded(one.details[key]) if key in one.details else NOTHING
            for key, header in CODES.items()
        }
        row["codewords a book"] = str(one.build.get("n_codewords", NOTHING))
        rows.setdefault(one.trial_id, row)
    if not rows:
        return ""
    caption = (
        "Health of codes and lists, as served: codes that some training query uses, the perplexity "
        "of their use, codewords restarted while training, and the part of the catalogue that "
        "lists hold (density; 1 is not sparse at all)"
    )
    return cells_table(pd.DataFrame(list(rows.values())), caption)


def memory_table(material: Material) -> str:
    """Return the view of every memory number."""
    table = render(to_frame(material.run.records), (), "html", view="memory")
    return (
        f"<details><summary>Every number of memory</summary>{scrolled(table, 'memory')}</details>"
    )


def noise(material: Material) -> str:
    """Return the noise floor, or how to measure it."""
    floor = material.run.floor
    if floor is None:
        words = "Not measured for this folder: `matchbench noise SUITE --out DIR` measures it."
        return section("noise", "Noise floor", note(words))
    table = scrolled(render_noise(floor, "html"), "noise floor")
    return section("noise", "Noise floor", table)


def environment(records: Sequence[Record], captions: Sequence[str]) -> str:
    """Return the protocol, the machine and the libraries of each group that compares."""
    parts = [
        f"<p>{'<br>'.join(prose(line) for line in caption.splitlines())}</p>"
        for caption in captions
    ]
    facts = [
        ("started", _span([one.started_at for one in records])),
        ("data hash", _all(one.data_hash[:16] for one in records)),
        ("code hash", _all(one.code_hash for one in records)),
        ("commit", _all(one.commit for one in records)),
        ("measured while others kept the machine busy", _busy(records)),
    ]
    rows = [
        *facts,
        *_facts([one.machine for one in records]),
        *_facts([one.environment for one in records]),
    ]
    table = cells_table(pd.DataFrame(rows, columns=["what", "value"]), "Machine and libraries")
    return section("environment", "Protocol and environment", "".join(parts) + table)


def replay(records: Sequence[Record], changed: Mapping[str, str]) -> str:
    """Return each command that the records carry, once, with the rows it runs.

    Beside it what ``changed`` says of these rows by `setting_key`, of each kind once.
    """
    commands: dict[str, dict[str, dict[str, None]]] = {}
    for one in records:
        notes = commands.setdefault(one.case, {}).setdefault(one.replay, {})
        if why := changed.get(setting_key(one.trial_id, one.search, one.load)):
            notes[why] = None
    items = "".join(
        f"<details><summary>{text(case)}</summary><ul>"
        + "".join(
            f"<li>{command(one)}{''.join(f' {text(why)}.' for why in notes)}</li>"
            for one, notes in ones.items()
        )
        + "</ul></details>"
        for case, ones in commands.items()
    )
    first = records[0]
    intro = (
        f"At commit {first.commit[:10]}, in an environment made with constraints.txt. A command "
        "runs all trials of its case, and adds them to the folder after --out: name another where "
        "that is to stay as it is."
    )
    return section("replay", "Run it again", note(intro) + items)


def _budgets(plane: Plane, kind: Kind) -> list[Budget]:
    found = default_budgets(plane, kind)
    if kind == "p99" and found:
        found = [*found, Budget("p99", AT_P99_S)]
    return sorted(found, key=lambda one: one.bound)


def _facts(tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return each key of any table with the different values that it has."""
    keys = dict.fromkeys(key for one in tables for key in one)
    return [(key, _all(str(one[key]) for one in tables if key in one)) for key in keys]


def _all(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _span(times: Sequence[str]) -> str:
    first, last = min(times)[:19], max(times)[:19]
    return first if first == last else f"{first} to {last}"


def _busy(records: Sequence[Record]) -> str:
    n_busy = sum(bool(one.isolation.get("busy")) for one in records)
    return f"{n_busy} of {len(records)} records"

"""The document: sections, styles, data and program in one file that fetches nothing."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources

from harness.compare.grouping import AGREEMENT, comparable
from harness.compare.published import Published
from harness.compare.ranking import against_best, ranking
from harness.compare.setting import setting_key
from harness.record import Record
from harness.report.caption import caption_of
from harness.report.charts.chart import Chart
from harness.report.charts.theme import METHODS, SHAPES, interactive
from harness.report.drawing import javascript
from harness.report.material import Material, charts_of
from harness.report.page import sections
from harness.report.page.answers import answers
from harness.report.page.markup import note, prose, section, text
from harness.report.page.overview import overview
from harness.report.page.palette import PAGE_CONFIG, theme_css

N_COLOURS = len(METHODS["light"])
NAVIGATION = (
    ("short", "In short"), ("overview", "Overview"), ("frontier", "Frontiers"),
    ("ranking", "Ranking"), ("ladder", "Ladder"), ("latency", "Latency"), ("stages", "Stages"),
    ("memory", "Memory"), ("scale", "Scale"), ("segments", "Segments"), ("codes", "Codes"),
    ("noise", "Noise"), ("environment", "Environment"), ("replay", "Run again"),
)  # fmt: skip
# Outlines of the shapes of `SHAPES`, in a box of 16 units.
OUTLINES = {
    "circle": "M8 2a6 6 0 1 0 .01 0z",
    "square": "M3 3h10v10H3z",
    "triangle-up": "M8 2l6 11H2z",
    "diamond": "M8 1l5 7-5 7-5-7z",
    "cross": "M6 2h4v4h4v4h-4v4H6v-4H2V6h4z",
    "triangle-down": "M2 3h12L8 14z",
    "triangle-right": "M3 2l11 6-11 6z",
}
# Nothing is loaded from anywhere; Vega compiles its expressions, hence eval.
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'"
)


def page_of(material: Material, published: Sequence[Published] = ()) -> str:
    """Return the page of a run as HTML; ``published`` figures stand below ours in the ranking."""
    records = material.run.records
    charts = charts_of(material)
    every = [one for group in charts.values() for one in group]
    body = "".join(_body(material, charts, published))
    first = records[0]
    title = f"{first.suite}: retrieval on {first.dataset.partition('(')[0]}"
    data = json.dumps(
        {"config": PAGE_CONFIG, "charts": {one.name: interactive(one) for one in every}},
        separators=(",", ":"),
        allow_nan=False,
    ).replace("<", "\\u003c")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="generator" content="matchbench"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{theme_css()}{_asset('page.css')}</style></head><body>"
        '<a class="skip" href="#main">Skip to the content</a>'
        f'{_header(title, records)}<main id="main">{body}</main>'
        "<footer>Made by matchbench from records alone.</footer>"
        f'<script type="application/json" id="data">{data}</script>'
        f"<script>{_inline(javascript())}</script><script>{_inline(_asset('page.js'))}</script>"
        "</body></html>\n"
    )


def _body(
    material: Material, charts: Mapping[str, list[Chart]], published: Sequence[Published]
) -> list[str]:
    records, metric = material.run.records, material.metric
    metrics = list(dict.fromkeys(name for one in records for name in one.metrics))
    metrics = [metric, *(one for one in metrics if one != metric)]
    pairs = against_best(material.points, metric)
    ranked = ranking(pairs, metric)
    found = [*answers(material, pairs, ranked), *_not_the_same(material)]
    short = "".join(
        f"<dt>{text(question)}</dt><dd>{prose(words)}</dd>" for question, words in found
    )
    agreement = next((one for one in metrics if one.startswith(AGREEMENT)), metric)
    rows = overview(material.run, metrics, material.changed)
    left_out = "".join(note(one) for one in material.refused)
    captions = [caption_of(group, material.run.floor, best=False) for group in comparable(records)]
    return [
        section("short", "In short", f'<dl class="answers">{short}</dl>'),
        section("overview", "Overview", left_out + rows),
        _methods(material.methods),
        sections.frontiers(material, charts["frontier"]),
        sections.ranking_section(pairs, ranked, published),
        sections.charted("ladder", "From the model to what is served", charts["ladder"]),
        sections.charted("latency", "Latency", charts["latency"]),
        sections.charted("stages", "Stages of a query", charts["stages"]),
        sections.charted(
            "memory", "Memory", charts["memory"], sections.memory_table(material)
        ),
        sections.charted(
            "scale", "Size of the catalogue", charts["scale"],
            sections.scale_tables(material, agreement),
        ),
        sections.charted("segments", "Kinds of users", charts["segments"]),
        sections.charted("codes", "Codes", charts["codes"], sections.codes_table(records)),
        sections.noise(material),
        sections.environment(records, captions),
        sections.replay(records, material.changed),
    ]  # fmt: skip


def _not_the_same(material: Material) -> list[tuple[str, str]]:
    """Return for how many records the suite says what it said, where not for all."""
    records = material.run.records
    keys = [setting_key(one.trial_id, one.search, one.load) for one in records]
    n = sum(one in material.changed for one in keys)
    words = (
        f"For {len(records) - n} of {len(records)} records the suite says what it said. Beside the "
        "commands of the others stands what has changed in it, and which parameters came later."
    )
    return [("Does a command give the same again?", words)] if n else []


def _header(title: str, records: Sequence[Record]) -> str:
    started = max(one.started_at for one in records)[:10]
    cases = len({one.case for one in records})
    links = "".join(f'<li><a href="#{anchor}">{name}</a></li>' for anchor, name in NAVIGATION)
    return (
        f"<header><h1>{text(title)}</h1><p>{len(records)} records of {cases} cases, measured until "
        f"{started}; commit {text(records[0].commit[:10])}.</p>"
        '<label class="theme">Colours <select id="theme"><option value="">as the system</option>'
        '<option value="light">light</option><option value="dark">dark</option></select></label>'
        f'</header><nav aria-label="sections"><ul>{links}</ul></nav>'
        "<noscript><p>Charts, sorting and filters need JavaScript; the numbers of each chart stand "
        "in the table below it.</p></noscript>"
    )


def _methods(methods: Sequence[str]) -> str:
    """Return the legend of all charts: a button for each method, which isolates it."""
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-method="{text(one)}">'
        f'<svg viewBox="0 0 16 16" aria-hidden="true">'
        f'<path style="fill:var(--m{number % N_COLOURS})" '
        f'd="{OUTLINES[SHAPES[number % len(SHAPES)]]}"/></svg>{text(one)}</button>'
        for number, one in enumerate(methods)
    )
    return (
        '<div class="methods" role="group" aria-label="isolate a method in all charts">'
        f"<span>Isolate:</span>{buttons}"
        '<span id="isolated" class="unseen" aria-live="polite"></span></div>'
    )


def _asset(name: str) -> str:
    return (resources.files("harness.report.page") / name).read_text(encoding="utf-8")


def _inline(program: str) -> str:
    """Return a program as it may stand in a script element."""
    return program.replace("</script", "<\\/script").replace("<!--", "<\\!--")

"""Themes: colours that the colour-blind can tell apart, on white and on a dark ground.

The two lists of six were searched for the largest least distance (OKLab) between any two, seen
by normal eyes and by the three dichromacies after Machado, Oliveira and Fernandes (2009), among
colours with a contrast of at least 3 to their ground; `tests/harness/report/test_theme.py` measures
both. Methods have a shape beside their colour, so that no chart of points needs colour at all.
"""

from collections.abc import Mapping
from typing import Any, Literal

from harness.report.charts.chart import SCHEMA, Chart, Spec, with_method_legend

Theme = Literal["light", "dark"]
GROUND: Mapping[Theme, str] = {"light": "#ffffff", "dark": "#14171c"}
INK: Mapping[Theme, str] = {"light": "#1b1f24", "dark": "#e8eaed"}
FAINT: Mapping[Theme, str] = {"light": "#d5d9de", "dark": "#3a4049"}
METHODS: Mapping[Theme, tuple[str, ...]] = {
    "light": ("#003494", "#df7a0a", "#419eb4", "#9900ff", "#a9370f", "#630a2d"),
    "dark": ("#31c9ff", "#feae58", "#26939e", "#a222ff", "#e74414", "#d9fbe8"),
}
# Seven shapes and six colours: 42 methods until a pair comes again.
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right",
)  # fmt: skip
# Steps of the map cividis, which looks alike with and without colour blindness: stages, kinds.
# Its darkest are lightened on a dark ground.
STEPS: Mapping[Theme, tuple[str, ...]] = {
    "light": ("#00204d", "#ffea46", "#666970", "#cbba69", "#31446b", "#958f78"),
    "dark": ("#4f7fd0", "#ffea46", "#86898f", "#cbba69", "#2f5a9e", "#b8b29b"),
}
LEGEND_WIDTH = 160  # units that hold a symbol and a name
FONT = "system-ui, 'DejaVu Sans', sans-serif"


def config_of(theme: Theme) -> Spec:
    """Return the Vega-Lite configuration of a theme."""
    ink, faint = INK[theme], FAINT[theme]
    words = {"labelColor": ink, "titleColor": ink, "labelFont": FONT, "titleFont": FONT}
    return {
        "background": GROUND[theme],
        "font": FONT,
        "view": {"stroke": faint},
        "axis": {
            **words, "gridColor": faint, "domainColor": ink, "tickColor": ink, "labelFontSize": 11,
            "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220,
            "labelSeparation": 8,
        },
        "legend": {
            **words, "symbolStrokeColor": ink, "labelFontSize": 12, "symbolSize": 90,
            "labelLimit": 260,
        },
        "rule": {"color": ink},
        "text": {"color": ink, "font": FONT},
        "range": {
            "category": list(METHODS[theme]),
            "symbol": list(SHAPES),
            "ordinal": list(STEPS[theme]),
        },
    }  # fmt: skip


def static(chart: Chart, theme: Theme, width: int) -> dict[str, Any]:
    """Return the specification of a figure that stands alone, ``width`` units wide."""
    config = config_of(theme)
    config["legend"]["columns"] = max(1, width // LEGEND_WIDTH)
    fit = {"type": "fit-x", "contains": "padding"}
    drawn = list(dict.fromkeys(one["method"] for one in chart.spec["data"]["values"]))
    legend = {"title": None, "orient": "bottom", "values": drawn}
    spec = with_method_legend(chart.spec, legend)
    return {**_framed(chart), "width": width, "autosize": fit, "config": config, **spec}


def interactive(chart: Chart) -> dict[str, Any]:
    """Return the specification for a page, which sets theme and width and names the methods."""
    return {**_framed(chart), "width": "container", **with_method_legend(chart.spec, None)}


def _framed(chart: Chart) -> dict[str, Any]:
    return {"$schema": SCHEMA, "description": chart.description}

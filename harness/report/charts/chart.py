"""Chart: one specification with what a reader who cannot see it needs, and marks all share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing is fetched
Spec = dict[str, Any]
# The page sets this signal to the method that a reader isolates; "" shows all alike.
ISOLATED: Spec = {"name": "isolated", "value": ""}
FADED = 0.1
OPACITY: Spec = {
    "condition": {"test": "isolated === '' || datum.method === isolated", "value": 1},
    "value": FADED,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes
    ----------
    name : of files and anchors, such as ``frontier-qps``.
    title : what it shows.
    description : axes and marks in words, for those who hear it and for captions.
    spec : Vega-Lite without width, theme and schema, which `harness.report.charts.theme` adds.
    numbers : what is drawn, as cells.
    """

    name: str
    title: str
    description: str
    spec: Mapping[str, Any]
    numbers: pd.DataFrame


def by_method(methods: Sequence[str], *, shape: bool = False) -> Spec:
    """Return the encoding of a method: a colour, and for points a shape too.

    The scale lists all methods of the run, so that one has the same colour in every chart.
    """
    scale = {"domain": list(methods)}
    color = {"field": "method", "type": "nominal", "scale": scale}
    return {"color": color, **({"shape": dict(color)} if shape else {})}


def with_method_legend(spec: Any, legend: Spec | None) -> Any:
    """Return a specification with another legend of methods; None: they are named elsewhere."""
    if isinstance(spec, Mapping):
        changed = {name: with_method_legend(value, legend) for name, value in spec.items()}
        return {**changed, "legend": legend} if changed.get("field") == "method" else changed
    if isinstance(spec, list | tuple):
        return [with_method_legend(one, legend) for one in spec]
    return spec


def axis(field: str, title: str, *, log: bool = False, zero: bool = False, **more: Any) -> Spec:
    """Return the encoding of a quantity on an axis, its title with the unit."""
    scale: Spec = {"type": "log", "nice": False} if log else {"zero": zero}
    if log:
        scale["padding"] = 14
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **more}


def tooltip(*fields: tuple[str, str]) -> list[Spec]:
    """Return what is told of a mark under the pointer: fields with their titles."""
    return [{"field": field, "title": title, "type": "nominal"} for field, title in fields]


def configuration(build: Mapping[str, Any], search: Mapping[str, Any]) -> str:
    """Return all parameters of an operating point in a line.

    >>> configuration({"dim": 64}, {"nprobe": 4})
    'search: nprobe=4; build: dim=64'
    """
    parts = [
        f"{name}: {' '.join(f'{key}={_plain(value)}' for key, value in table.items())}"
        for name, table in (("search", search), ("build", build))
        if table
    ]
    return "; ".join(parts) or "no parameters"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

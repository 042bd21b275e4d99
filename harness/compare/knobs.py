"""Knobs: numeric search settings, and the lines of points that one of them leads along."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.compare.frontier import Spot


def lines_of(spots: Sequence[Spot]) -> list[list[Spot]]:
    """Return the spots of one case by line: equal in all parameters but one numeric search setting.

    Between two points of a line there are settings that nobody measured. There are none between
    two models, or between two values of a setting in words; a spot may lie on several lines, or
    on none.
    """
    lines: dict[str, list[Spot]] = {}
    for spot in spots:
        first = spot.point.first
        for knob in numeric(first.search):
            rest = {name: value for name, value in first.search.items() if name != knob}
            key = json.dumps([first.method, dict(first.build), knob, rest], sort_keys=True)
            lines.setdefault(key, []).append(spot)
    return [one for one in lines.values() if len(one) > 1]


def numeric(search: Mapping[str, Any]) -> list[str]:
    """Return the names of numeric settings.

    >>> numeric({"cut": 64, "rescore": "dot", "ef_search": None, "batch": True})
    ['cut']
    """
    return [
        name
        for name, value in search.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def least_quality(spot: Spot, spots: Sequence[Spot]) -> float:
    """Return the least quality measured on the lines through a spot, its own where it is on none.

    Parameters
    ----------
    spots : those of its case.
    """
    through = [line for line in lines_of(spots) if any(one is spot for one in line)]
    known = [one.quality for one in (spot, *(x for line in through for x in line))]
    return min(one for one in known if one is not None)

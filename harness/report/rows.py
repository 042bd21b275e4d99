"""What each row is, and what must be said of it: setting, verdict, footnotes."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.scenario import scenario
from harness.record import SELECTED_ON_TEST, Status

VERDICTS: Mapping[str, str] = {Status.OK: "VALID", Status.INVALID: "INVALID"}
ON_TEST = ", epoch chosen on test"
LONGEST = 40  # characters of a reason that stand in the row; longer ones become a footnote
# A number that stands by itself, not one within a name such as p99 or libgomp.so.1.
_NUMBER = re.compile(r"(?<![\w.-])\d(?:[\d,]*\d)?(?:\.\d+)?(?![\w.-]*[A-Za-z_])")
GROUPS = ("build", "search")
AXES = ("device", "threads", "seed", "profile")
# What `describe_setting` reads of a record, besides its seed.
OF_SETTING = ("case", *GROUPS, "load", "device", "threads", "learned_from", "profile")


def describe_setting(frame: pd.DataFrame, *, with_load: bool = True) -> list[str]:
    """Return for each row what tells it from others: parameters, scenario, device, seed.

    Where a case learned now from the training part, now from all, a row says which.
    """
    axes = [name for name in AXES if frame[name].nunique() > 1]
    rows = frame.to_dict("records")
    peers: dict[Any, list[Mapping[Any, Any]]] = {}
    for row in rows:
        peers.setdefault(row["case"], []).append(row)
    loads = {case: [one["load"] for one in ones if one["load"]] for case, ones in peers.items()}
    varying = {
        (case, group): _varying([one[group] for one in ones])
        for case, ones in peers.items()
        for group in GROUPS
    }
    apart = {case for case, ones in peers.items() if _n_told(ones, "learned_from") > 1}
    descriptions = []
    for row in rows:
        case = row["case"]
        parts = [
            f"{name}={value}"
            for group in GROUPS
            for name, value in row[group].items()
            if value is not None and name in varying[case, group]
        ]
        if case in apart and row["learned_from"]:
            parts.append(f"from {row['learned_from']}")
        if with_load and row["load"]:
            parts += _load_parts(row["load"], loads[case])
        parts += [str(row[name]) if name == "device" else f"{name}={row[name]}" for name in axes]
        descriptions.append(" ".join(parts))
    return descriptions


def verdicts(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return for each row its verdict with reason and note numbers, and the notes, numbered from 1.

    A row is ``VALID``, ``INVALID`` with what makes it so, or ended as its status says; one whose
    method chose by what it is measured on says that too. Warnings are notes, each text once; so is
    a reason too long for a column. Warnings that differ in numbers alone share a note, which says
    from where to where the numbers go.
    """
    notes: dict[str, list[str]] = {}
    cells = []
    for status, reason, warnings in zip(
        frame["status"], frame["reason"], frame["warnings"], strict=True
    ):
        text, marked = VERDICTS.get(status, str(status)), []
        text += ON_TEST if SELECTED_ON_TEST in warnings else ""
        if isinstance(reason, str) and len(reason) > LONGEST:
            marked.append((reason, _one_line(reason)))
        elif isinstance(reason, str):
            text += f": {_one_line(reason)}"
        marked += [(_NUMBER.sub("#", one), _one_line(one)) for one in warnings]
        for kind, note in marked:
            notes.setdefault(kind, []).append(note)
        numbers = sorted({list(notes).index(kind) + 1 for kind, _ in marked})
        cells.append(text + (f" [{','.join(map(str, numbers))}]" if numbers else ""))
    return cells, [_spanned(texts) for texts in notes.values()]


def _spanned(texts: Sequence[str]) -> str:
    """Return texts that differ in numbers alone as one, with the least and the largest number.

    >>> _spanned(["waited 25% of 2 s", "waited 7% of 2 s"])
    'waited 7 to 25% of 2 s'
    """
    spans = []
    for found in zip(*(_NUMBER.findall(text) for text in texts), strict=True):
        low, *_, high = sorted([*found, found[0]], key=lambda one: float(one.replace(",", "")))
        spans.append(low if low == high else f"{low} to {high}")
    numbers = iter(spans)
    return _NUMBER.sub(lambda _: next(numbers), texts[0])


def _one_line(text: str) -> str:
    """Return a text without line breaks, which errors of libraries may hold."""
    return " ".join(text.split())


def _n_told(rows: Iterable[Mapping[Any, Any]], name: str) -> int:
    """Return how many values rows tell of a fact that some do not tell."""
    return len({row[name] for row in rows if row[name]})


def _varying(tables: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the parameters whose values differ; an empty table is that of a failure."""
    told = [one for one in tables if one]
    names = {name for one in told for name in one}
    return {
        name
        for name in names
        if len({json.dumps(one.get(name), sort_keys=True) for one in told}) > 1
    }


def _load_parts(load: Mapping[str, Any], peers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the scenario where another row has another, with what sets apart equal scenarios."""
    name = scenario(load)
    parts = [name] if any(scenario(one) != name for one in peers) else []
    namesakes = [one for one in peers if scenario(one) == name]
    return parts + [
        f"{key}={value}"
        for key, value in load.items()
        if any(one.get(key) != value for one in namesakes)
    ]

"""Point: one operating point with the records of its loads, under a name that a file can have."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.record import Record

LONGEST = 120  # characters of a name; file systems take 255 bytes


@dataclass(frozen=True, slots=True)
class Point:
    """A trial under one search setting.

    Attributes
    ----------
    name : case, and of parameters, device, seed and repeat those that tell it from the other points
        of the case; letters, digits and ``_.=+-``, different for each point.
    series : the name without the repeat: points of one series measured the same work again.
    records : one for each load, in the order of the suite.
    """

    name: str
    series: str
    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """Return the record of the first load; what does not depend on the load is the same."""
        return self.records[0]

    def load_name(self, number: int) -> str:
        """Return what tells a load from the others: its kind, and its number where kinds repeat."""
        kinds = [str(one.load.get("kind", "none")) for one in self.records]
        kind = kinds[number]
        return kind if kinds.count(kind) == 1 else f"{kind}-{number}"


def points_of(records: Sequence[Record]) -> list[Point]:
    """Return the points of standing records, in order of appearance."""
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        key = (record.trial_id, json.dumps(record.search, sort_keys=True))
        grouped.setdefault(key, []).append(record)
    groups = [tuple(one) for one in grouped.values()]
    facts = [_facts(one[0]) for one in groups]
    names: list[tuple[str, str]] = []
    for group, own in zip(groups, facts, strict=True):
        siblings = [other for other in facts if other["case"] == own["case"]]
        words = [group[0].case] + [
            f"{name.partition('.')[2] or name}={_word(value)}"
            for name, value in own.items()
            if name not in ("case", "repeat") and any(one.get(name) != value for one in siblings)
        ]
        series = _plain(words, group[0].trial_id)
        repeated = any(one["repeat"] != own["repeat"] for one in siblings)
        names.append((f"{series}+repeat={own['repeat']}" if repeated else series, series))
    taken = [name for name, _ in names]
    return [
        Point(name if taken.count(name) == 1 else f"{name}+{group[0].trial_id[:8]}", series, group)
        for (name, series), group in zip(names, groups, strict=True)
    ]


def _facts(record: Record) -> dict[str, Any]:
    facts: dict[str, Any] = {"case": record.case}
    facts |= {f"build.{name}": value for name, value in record.build.items()}
    facts |= {f"search.{name}": value for name, value in record.search.items()}
    facts |= {name: getattr(record, name) for name in ("device", "seed", "repeat")}
    facts["data"] = record.dataset
    return facts


def _word(value: Any) -> str:
    return "x".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)


def _plain(words: Sequence[str], trial_id: str) -> str:
    """Return words as a file's name, never led by a dot; a long one ends in the trial's id.

    >>> _plain(["two tower", "nprobe=4"], "0123456789abcdef")
    'two_tower+nprobe=4'
    """
    name = "+".join(re.sub(r"[^\w.=+-]+", "_", one) for one in words)
    name = re.sub(r"^\.", "_", name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}+{trial_id[:8]}"

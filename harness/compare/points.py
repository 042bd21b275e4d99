"""Operating points of one or two runs, and which of them are compared with each other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import RecordError, near
from harness.noise_floor import NoiseFloor
from harness.query_values import ReadValues
from harness.record import Record, Status

# What an operating point is, besides its case; seeds, repeats and loads are within it.
WHAT = ("method", "build", "search", "device", "learned_from")
UNTOLD = ("precision",)  # does not make another point of two runs, but one that does not compare
# What two points should share, the most important first: refusals say where they do not.
PROTOCOL = ("data_hash", "dataset", "split", "device", "threads", "fit_threads", "profile")


@dataclass(frozen=True, slots=True)
class Run:
    """The standing records of one results folder, and how their per-query values are read."""

    name: str
    records: Sequence[Record]
    read: ReadValues
    floor: NoiseFloor | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """All records of one operating point: seeds x repeats x loads, failures too."""

    run: Run
    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """Return a record that tells what all of them share."""
        return self.records[0]

    @property
    def valid(self) -> list[Record]:
        """Return the records whose numbers may be compared."""
        return [one for one in self.records if one.status == Status.OK]

    @property
    def faults(self) -> list[str]:
        """Return why records are not valid, each reason once."""
        bad = (one for one in self.records if one.status != Status.OK)
        return list(dict.fromkeys(f"{one.status}: {one.reason}" for one in bad))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two points to compare; ``other`` minus ``base``. One of them may be missing.

    A pair of a point with itself is the baseline, which a table shows and does not test.
    """

    base: Point | None
    other: Point | None

    @property
    def shown(self) -> Point:
        """Return the point whose name the row carries."""
        point = self.other or self.base
        assert point is not None
        return point

    @property
    def is_baseline(self) -> bool:
        """Return whether a point is paired with itself."""
        return self.base is self.other


def points_of(run: Run) -> list[Point]:
    """Return the operating points of a run, in order of appearance."""
    groups: dict[str, list[Record]] = {}
    for record in run.records:
        values = [getattr(record, name) for name in ("case", *WHAT, *PROTOCOL)]
        groups.setdefault(json.dumps(values, sort_keys=True), []).append(record)
    return [Point(run, tuple(group)) for group in groups.values()]


def against_baseline(points: Sequence[Point], baseline: str | None = None) -> list[Pair]:
    """Return each point with its baseline, baselines first.

    Parameters
    ----------
    baseline : a case, and ``name=value`` of its parameters where it has several points, such as
        ``"ivf nprobe=16"``; None: the first case. Of the points that remain each other point
        takes the first that shares most of data, device, threads and profile with it.

    Raises
    ------
    RecordError
        No such case, or none of its points has these parameters.
    """
    candidates = _baselines(points, baseline or points[0].first.case)
    chosen = [(_nearest(point, candidates), point) for point in points]
    used = dict.fromkeys(id(base) for base, point in chosen if base is not point)
    bases = [one for one in candidates if id(one) in used] or candidates[:1]
    kept = {id(one) for one in bases}
    return [
        *(Pair(one, one) for one in bases),
        *(Pair(base, point) for base, point in chosen if id(point) not in kept),
    ]


def between_runs(base: Sequence[Point], other: Sequence[Point]) -> list[Pair]:
    """Return the same points of two runs in pairs, then those that one run alone has.

    The same are points of one case, method, parameters and device. Where several are, one that
    shares data, threads and profile comes first. Points that differ in ``precision`` alone are
    paired too, so that their row says what keeps them apart.
    """
    left = list(other)
    pairs, alone = [], []
    twins = {_what(one) for one in base}
    for point in base:
        same = [one for one in left if _what(one) == _what(point)] or [
            one
            for one in left
            if _what(one) not in twins and _what(one, UNTOLD) == _what(point, UNTOLD)
        ]
        if not same:
            alone.append(Pair(point, None))
            continue
        twin = _nearest(point, same)
        left.remove(twin)
        pairs.append(Pair(point, twin))
    return [*pairs, *alone, *(Pair(None, one) for one in left)]


def _baselines(points: Sequence[Point], wanted: str) -> list[Point]:
    cases = dict.fromkeys(one.first.case for one in points)
    case, *settings = [wanted] if wanted in cases else wanted.split()
    if case not in cases:
        raise RecordError(f"no case {case!r} in the records{near(case, cases)}")
    found = [one for one in points if one.first.case == case]
    matching = [one for one in found if set(settings) <= _settings(one.first)]
    if not matching:
        known = sorted(set[str]().union(*(_settings(one.first) for one in found)))
        raise RecordError(f"case {case!r} has no point with {' '.join(settings)}; it has {known}")
    return [one for one in matching if one.valid] or matching


def _settings(record: Record) -> set[str]:
    tables: Sequence[Mapping[str, Any]] = (record.build, record.search)
    return {f"{name}={value}" for table in tables for name, value in table.items()}


def _nearest(point: Point, candidates: Sequence[Point]) -> Point:
    """Return the candidate that shares most with a point, the first names counting most."""
    return max(candidates, key=lambda one: [_same(point, one, name) for name in PROTOCOL])


def _same(a: Point, b: Point, name: str) -> bool:
    return bool(getattr(a.first, name) == getattr(b.first, name))


def _what(point: Point, untold: Sequence[str] = ()) -> str:
    values = [getattr(point.first, name) for name in ("case", *WHAT)]
    told = [
        {name: value for name, value in one.items() if name not in untold}
        if isinstance(one, Mapping)
        else one
        for one in values
    ]
    return json.dumps(told, sort_keys=True)

"""Why two operating points may not be compared: what must be the same and is not."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.compare.libraries import differing
from harness.compare.noise import identity
from harness.compare.points import Point
from harness.compare.scenario import scenario
from harness.record import Record

NAMES: Mapping[str, str] = {"data_hash": "data hash", "fit_threads": "fitting threads"}


def quality_refusals(base: Point, other: Point) -> list[str]:
    """Return why per-query values of two points are not of the same questions.

    Within a run precision is a parameter like others, whose effect is shown; of two runs a row is
    the same point, and another precision makes it another.
    """
    a, b = base.first, other.first
    return [
        *_ended(base, "baseline"),
        *_ended(other),
        *_differing(a, b, ("data_hash", "split")),
        *_metrics_version(base, other),
        *(_precision(a, b) if base.run is not other.run else []),
    ]


def size_refusals(base: Point, other: Point) -> list[str]:
    """Return why bytes of two points are not of the same items; no metric changes them."""
    names = ("data_hash", "split")
    return [
        *_ended(base, "baseline"), *_ended(other), *_differing(base.first, other.first, names)
    ]  # fmt: skip


def join_refusals(a: Record, b: Record) -> list[str]:
    """Return why a record may not stand in one run with another.

    Data, split, length of lists, metrics' version, machine and libraries must be the same.
    """
    cut_a, cut_b = cut_of(a.metrics), cut_of(b.metrics)
    ours, theirs = a.metrics_version, b.metrics_version
    return [
        *_differing(a, b, ("data_hash", "split")),
        *(_between("k", cut_a, cut_b) if cut_a and cut_b else []),
        *(_between("metrics version", ours, theirs) if ours and theirs else []),
        *_machine(a, b),
        *_libraries(a, b),
    ]


def speed_refusals(base: Point, other: Point) -> list[str]:
    """Return why times of two points are not of the same work on the same machine."""
    a, b = base.first, other.first
    names = ("data_hash", "split", "device", "threads", "fit_threads", "profile")
    cut_a, cut_b = list_length(base), list_length(other)
    return [
        *_ended(base, "baseline"),
        *_ended(other),
        *_differing(a, b, names),
        *(_between("k", cut_a, cut_b) if cut_a and cut_b else []),
        *_precision(a, b),
        *_machine(a, b),
        *_libraries(a, b),
    ]


def load_refusal(load: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why none of the other point's loads is this one, or None where one is."""
    if any(dict(one) == dict(load) for one in others):
        return None
    ours = scenario(load)
    same_kind = [one for one in others if one.get("kind") == load.get("kind")]
    if not same_kind:
        known = " and ".join(dict.fromkeys(scenario(one) for one in others)) or "none"
        return f"scenario: baseline {known}, here {ours}"
    near = same_kind[0]
    names = [one for one in {**near, **load} if near.get(one) != load.get(one)]
    return "; ".join(f"{one}: baseline {near.get(one)}, here {load.get(one)}" for one in names)


def list_length(point: Point) -> int | None:
    """Return how many items a query asked for: the largest k of the metrics, None if unknown."""
    return max((cut for one in point.records if (cut := cut_of(one.metrics))), default=None)


def cut_of(metrics: Iterable[str]) -> int | None:
    """Return the largest k of the names of metrics, None where none has one."""
    cuts = [name.rpartition("@")[2] for name in metrics]
    return max((int(one) for one in cuts if one.isdigit()), default=None)


def _ended(point: Point, whose: str = "") -> list[str]:
    if point.valid:
        return []
    return [f"{whose} {one}".strip() for one in point.faults]


def _differing(a: Record, b: Record, names: Sequence[str]) -> list[str]:
    return [
        text
        for name in names
        for text in _between(NAMES.get(name, name), getattr(a, name), getattr(b, name))
    ]


def _between(name: str, a: Any, b: Any) -> list[str]:
    if a == b:
        return []
    if name == "data hash":
        a, b = a[:12], b[:12]
    return [f"{name}: baseline {a}, here {b}"]


def _metrics_version(base: Point, other: Point) -> list[str]:
    """Return whether the metrics were defined otherwise; a record that does not say is silent."""
    a, b = (
        sorted({one.metrics_version for one in side.valid if one.metrics_version is not None})
        for side in (base, other)
    )
    if not a or not b or a == b:
        return []
    texts = [" and ".join(map(str, one)) for one in (a, b)]
    return _between("metrics version", *texts)


def _precision(a: Record, b: Record) -> list[str]:
    """Return where both name a precision, and not the same; one that names none is no conflict."""
    texts = []
    for table in ("build", "search"):
        ours, theirs = getattr(a, table), getattr(b, table)
        if "precision" in ours and "precision" in theirs:
            texts += _between("precision", ours["precision"], theirs["precision"])
    return texts


def _machine(a: Record, b: Record) -> list[str]:
    """Return what tells the machines apart; a record of a CPU tells nothing of a GPU."""
    ours, theirs = identity(a), identity(b)
    return [
        text
        for name in ours
        if name in theirs
        for text in _between(f"machine {name}", ours[name], theirs[name])
    ]


def _libraries(a: Record, b: Record) -> list[str]:
    return [
        text
        for name in differing(a.environment, b.environment)
        for text in _between(f"library {name}", a.environment.get(name), b.environment.get(name))
    ]

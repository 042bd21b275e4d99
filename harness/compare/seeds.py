"""Seeds in common: points are put in order by the same trainings, or not at all.

One seed can be easier than another: a mean over those that happened to end well is no rival of a
mean over all of them.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from harness.compare.points import Point
from harness.record import Record, Status

Seeds = frozenset[int]
Told = TypeVar("Told")


def seeds_of(records: Iterable[Record], metric: str) -> Seeds:
    """Return the seeds of the valid records that hold a metric."""
    return frozenset(
        one.seed for one in records if one.status == Status.OK and metric in one.metrics
    )


def usual_seeds(found: Iterable[tuple[Point, Seeds]]) -> Seeds:
    """Return the seeds that most points have, of equally frequent sets the larger one.

    Points that `need_no_seeds` have no say where there are others.
    """
    told = [(point, seeds) for point, seeds in found if seeds]
    trained = [seeds for point, seeds in told if not need_no_seeds(point)]
    counts = Counter(trained or [seeds for _, seeds in told])
    return max(counts, key=lambda one: (counts[one], len(one)), default=frozenset())


def missing_seeds(point: Point, have: Seeds, usual: Seeds) -> tuple[int, ...]:
    """Return the usual seeds that a point lacks, none where it needs none."""
    return () if need_no_seeds(point) else tuple(sorted(usual - have))


def need_no_seeds(point: Point) -> bool:
    """Return whether a point was run with one seed alone and trained nothing in epochs.

    So do suites run what is the same with every seed. Of a point that has records of other seeds,
    whatever became of them, some were lost.
    """
    seeds = {one.seed for one in point.records}
    return len(seeds) < 2 and not any(one.history for one in point.records)


def in_every_seed(
    a: Mapping[int, Told], b: Mapping[int, Told], first: Point, second: Point
) -> tuple[dict[int, Told], dict[int, Told]]:
    """Return what is known by seed of two points, the one that needs no seeds in each of the other.

    What is the same with every seed was run with one, and rivals each training of the other point.
    Where both points are of one method, several seeds of one tell that they matter to the other.
    """
    if first.first.method != second.first.method:
        same = need_no_seeds(first), need_no_seeds(second)
        if same == (True, False) and len(a) == 1:
            return dict.fromkeys(b, *a.values()), dict(b)
        if same == (False, True) and len(b) == 1:
            return dict(a), dict.fromkeys(a, *b.values())
    return dict(a), dict(b)


def of_seeds(records: Sequence[Record], seeds: Seeds) -> list[Record]:
    """Return the records without the valid ones of other seeds."""
    return [one for one in records if one.status != Status.OK or one.seed in seeds]


def with_seeds(point: Point, metric: str, seeds: Seeds) -> Point:
    """Return a point without valid records of other seeds; itself where it lacks any of them."""
    have = seeds_of(point.records, metric)
    if have == seeds or not have >= seeds:
        return point
    return dataclasses.replace(point, records=tuple(of_seeds(point.records, seeds)))

"""Seeds in common: points are put in order by the same trainings, or not at all.

One seed can be easier than another: a mean over those that happened to end well is no rival of a
mean over all of them.
"""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from harness.compare.points import Point
from harness.record import Record, Status

Seeds = frozenset[int]


def seeds_of(records: Iterable[Record], metric: str) -> Seeds:
    """Return the seeds of the valid records that hold a metric."""
    return frozenset(
        one.seed for one in records if one.status == Status.OK and metric in one.metrics
    )


def usual_seeds(found: Iterable[Seeds]) -> Seeds:
    """Return the seeds that most points have, of equally frequent sets the larger one.

    >>> sorted(usual_seeds([frozenset({7, 8}), frozenset({7, 8}), frozenset({8})]))
    [7, 8]
    """
    counts = Counter(one for one in found if one)
    return max(counts, key=lambda one: (counts[one], len(one)), default=frozenset())


def missing_seeds(have: Collection[int], usual: Seeds) -> tuple[int, ...]:
    """Return the usual seeds that are not there."""
    return tuple(sorted(usual - set(have)))


def of_seeds(records: Sequence[Record], seeds: Seeds) -> list[Record]:
    """Return the records without the valid ones of other seeds."""
    return [one for one in records if one.status != Status.OK or one.seed in seeds]


def with_seeds(point: Point, metric: str, seeds: Seeds) -> Point:
    """Return a point without valid records of other seeds; itself where it lacks any of them."""
    have = seeds_of(point.records, metric)
    if have == seeds or not have >= seeds:
        return point
    return dataclasses.replace(point, records=tuple(of_seeds(point.records, seeds)))

"""Rankings: every point against the best, paired by query: how sure is who comes first."""

import json
from collections.abc import Sequence

import pandas as pd

from harness.compare.grouping import grouped
from harness.compare.points import Pair, Point
from harness.compare.quality import BOUND, compare_quality, mean_of
from harness.compare.seeds import Seeds, missing_seeds, seeds_of, usual_seeds, with_seeds


def against_best(points: Sequence[Point], metric: str) -> list[Pair]:
    """Return each point with the best of its data and split, best first, then by falling value.

    Values are means over the seeds that most points have; points that lack one of these follow the
    others, and none of them is the best. Bounds and points without the metric are left out. Of
    several data sets, or versions of the metrics, the one with most points is taken.
    """
    groups = grouped(
        (one, json.dumps([one.first.data_hash, one.first.split]), _version(one))
        for one in points
        if one.first.method != BOUND and mean_of(one, metric) is not None
    )
    if not groups:
        return []
    largest = max(groups, key=len)
    usual = usual_seeds((one, seeds_of(one.records, metric)) for one in largest)
    known = [with_seeds(one, metric, usual) for one in largest]
    ranked = sorted(known, key=lambda one: _place(one, metric, usual))
    return [Pair(ranked[0], one) for one in ranked]


def ranking(pairs: Sequence[Pair], metric: str) -> pd.DataFrame:
    """Return `harness.compare.quality.compare_quality` of the pairs of `against_best`."""
    return compare_quality(pairs, [metric])


def _version(point: Point) -> dict[str, list[int]]:
    told = {one.metrics_version for one in point.valid if one.metrics_version is not None}
    return {"version": sorted(told)} if told else {}


def _place(point: Point, metric: str, usual: Seeds) -> tuple[bool, float]:
    """Return what grows from the best to the last."""
    value = mean_of(point, metric)
    assert value is not None
    have = seeds_of(point.records, metric)
    return bool(missing_seeds(point, have, usual)), -value

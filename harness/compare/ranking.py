"""Rankings: every point against the best, paired by query: how sure is who comes first."""

from collections.abc import Sequence

import pandas as pd

from harness.compare.points import Pair, Point
from harness.compare.quality import BOUND, compare_quality, mean_of


def against_best(points: Sequence[Point], metric: str) -> list[Pair]:
    """Return each point with the best of its data and split, best first, then by falling value.

    Bounds and points without the metric are left out. Of several data sets the one with most
    points is taken.
    """
    known = {
        id(one): value
        for one in points
        if one.first.method != BOUND and (value := mean_of(one, metric)) is not None
    }
    groups: dict[tuple[str, str], list[Point]] = {}
    for one in points:
        if id(one) in known:
            groups.setdefault((one.first.data_hash, one.first.split), []).append(one)
    if not groups:
        return []
    largest = max(groups.values(), key=len)
    ranked = sorted(largest, key=lambda one: -known[id(one)])
    return [Pair(ranked[0], one) for one in ranked]


def ranking(pairs: Sequence[Pair], metric: str) -> pd.DataFrame:
    """Return `harness.compare.quality.compare_quality` of the pairs of `against_best`."""
    return compare_quality(pairs, [metric])

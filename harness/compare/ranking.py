"""Rankings: every point against the best, paired by query: how sure is who comes first."""

import itertools
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.compare.all_pairs import all_pairs_p
from harness.compare.grouping import grouped
from harness.compare.over_seeds import over_seeds
from harness.compare.paired import ALPHA, Values, holm
from harness.compare.points import Pair, Point
from harness.compare.quality import (
    BOUND,
    SEED,
    Reader,
    compare_quality,
    mean_of,
    seed_means,
)
from harness.compare.seeds import (
    Seeds,
    in_every_seed,
    missing_seeds,
    seeds_of,
    usual_seeds,
    with_seeds,
)


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
    """Return `harness.compare.quality.compare_quality` of the pairs of `against_best`, made sure.

    The best was chosen by the values that test the others against it, so ``p_holm`` and ``status``
    hold for all pairs of the points, see `harness.compare.all_pairs`. Of several seeds the larger
    of two stands: that over queries, and ``p_seeds`` by Holm over all pairs, which the column
    ``p_seeds_holm`` is, also of rows that were not tested over queries.
    """
    reader = Reader()
    frame = compare_quality(pairs, [metric], reader=reader)
    rows = frame.to_dict("records")
    points = [pairs[row["pair"]].shown for row in rows]
    tested = [n for n, row in enumerate(rows) if n > 0 and not pd.isna(row["p"])]
    over_seeds_p = _by_seeds(points, metric)
    alone = np.array([float(rows[n]["p"]) for n in tested])
    over_queries = dict(
        zip(tested, _by_queries(points, tested, metric, reader, alone).tolist(), strict=True)
    )
    for n, row in enumerate(rows):
        row["p_seeds_holm"] = over_seeds_p.get(n)
        if n in over_queries:
            row["p_holm"] = max(over_queries[n], over_seeds_p.get(n, 0.0))
            row["status"] = _status(row)
    columns = [*frame.columns, "p_seeds_holm"]
    return pd.DataFrame(rows, columns=columns).astype({"warnings": object})


def _by_queries(
    points: Sequence[Point], tested: Sequence[int], metric: str, reader: Reader, alone: Values
) -> Values:
    """Return the p-values over queries of points against the first, for all pairs at once.

    Where a query was not scored for some point, Bonferroni's bound over the pairs stands.
    """
    chosen = [points[0], *(points[n] for n in tested)]
    values = [
        {
            seed: np.mean([one.metrics[metric] for one in repeats], axis=0)
            for seed, repeats in reader.by_seed(point).items()
        }
        for point in (chosen if tested else [])
    ]
    places: dict[tuple[int, tuple[int, ...]], int] = {}
    columns: list[Values] = []
    found: list[tuple[int, ...]] = []
    for (i, first), (j, second) in itertools.combinations(enumerate(chosen[: len(values)]), 2):
        sides = in_every_seed(values[i], values[j], first, second)
        shared = tuple(seed for seed in sides[0] if seed in sides[1])
        if not shared:
            continue  # neither is the best, which shares some with every point
        keys = [(n, shared if len(values[n]) > 1 else ()) for n in (i, j)]
        for key, side in zip(keys, sides, strict=True):
            if key not in places:
                places[key] = len(columns)
                columns.append(np.mean([side[seed] for seed in shared], axis=0))
        found.append(tuple(places[key] for key in keys))
    if not found:
        return alone
    table = np.stack(columns, axis=1)
    if not np.isfinite(table).all():
        return np.minimum(1.0, alone * len(found))
    return all_pairs_p(table, found, seed=SEED)[: len(tested)]


def _by_seeds(points: Sequence[Point], metric: str) -> dict[int, float]:
    """Return by number of point the p-value of seeds against the first, by Holm over all pairs."""
    means = [seed_means(one, metric) for one in points]
    p_values: dict[tuple[int, int], float] = {}
    for (i, first), (j, second) in itertools.combinations(enumerate(points), 2):
        a, b = in_every_seed(means[i], means[j], first, second)
        found = over_seeds([b[seed] - a[seed] for seed in a if seed in b])
        if found is not None:
            p_values[i, j] = found.p
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return {j: p for (i, j), p in adjusted.items() if i == 0}


def _status(row: Mapping[Hashable, Any]) -> str:
    """Return the verdict of a tested row by the p-value of all pairs."""
    if row["status"] == "identical":
        return "identical"
    if row["p_holm"] >= ALPHA:
        return "not shown"
    return "better" if row["difference"] > 0 else "worse"


def _version(point: Point) -> dict[str, list[int]]:
    told = {one.metrics_version for one in point.valid if one.metrics_version is not None}
    return {"version": sorted(told)} if told else {}


def _place(point: Point, metric: str, usual: Seeds) -> tuple[bool, float]:
    """Return what grows from the best to the last."""
    value = mean_of(point, metric)
    assert value is not None
    have = seeds_of(point.records, metric)
    return bool(missing_seeds(point, have, usual)), -value

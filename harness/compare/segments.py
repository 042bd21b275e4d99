"""Segments: quality over groups of queries that the per-query files tell apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.compare.paired import Values, bootstrap_bounds
from harness.compare.points import Point
from harness.compare.quality import SEED, Reader

# What a per-query file may say of its queries, and how the thirds of it are called.
KINDS: Mapping[str, tuple[str, str, str]] = {
    "history_items": ("short", "middle", "long"),
    "relevant_events": ("tail", "middle", "head"),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One point's quality in one group of queries.

    Attributes
    ----------
    kind : a key of `KINDS`.
    name : of the group, such as ``short``.
    least, most : of the fact within the group.
    n : queries of the group that were scored.
    low, high : 95 % bootstrap interval of the mean over queries.
    """

    point: Point
    kind: str
    name: str
    least: float
    most: float
    n: int
    mean: float
    low: float
    high: float


def segments_of(points: Sequence[Point], metric: str, reader: Reader) -> list[Segment]:
    """Return the segments of each valid point whose files hold facts of their queries.

    Values of a query are the mean over seeds and repeats. Groups are the thirds of all queries by
    the fact; queries of equal fact stay together, so that groups may be fewer and of unlike size.
    """
    found = []
    for point in points:
        if not point.valid or any(one.per_query is None for one in point.valid):
            continue
        files = [one for seed in reader.by_seed(point).values() for one in seed]
        if not files or any(metric not in one.metrics for one in files):
            continue
        values = np.mean([one.metrics[metric] for one in files], axis=0)
        for kind, names in KINDS.items():
            if kind in files[0].facts:
                facts = files[0].facts[kind].astype(np.float64)
                found += _segments(point, kind, names, facts, values)
    return found


def thirds(facts: Values) -> npt.NDArray[np.int64]:
    """Return 0, 1 or 2 for each query: lowest, middle, highest third; equal facts stay together.

    >>> thirds(np.array([5.0, 1, 2, 3, 4, 6])).tolist()
    [2, 0, 0, 1, 1, 2]
    >>> thirds(np.array([1.0, 1, 1, 1, 1, 9])).tolist()
    [0, 0, 0, 0, 0, 2]
    """
    known = np.sort(facts[np.isfinite(facts)])
    cuts = [known[-(-known.size * part // 3) - 1] for part in (1, 2)]
    return np.asarray(np.searchsorted(np.array(cuts), facts, side="left"), np.int64)


def _segments(
    point: Point, kind: str, names: Sequence[str], facts: Values, values: Values
) -> list[Segment]:
    scored = np.isfinite(values) & np.isfinite(facts)
    groups = thirds(facts)
    found = []
    for number, name in enumerate(names):
        rows = scored & (groups == number)
        if not rows.any():
            continue
        chosen = values[rows]
        low, high = bootstrap_bounds(chosen[None, :], seed=SEED)
        found.append(
            Segment(
                point=point,
                kind=kind,
                name=name,
                least=float(facts[rows].min()),
                most=float(facts[rows].max()),
                n=int(rows.sum()),
                mean=float(chosen.mean()),
                low=float(low[0]),
                high=float(high[0]),
            )
        )
    return found

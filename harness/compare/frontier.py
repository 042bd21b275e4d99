"""Frontiers: which operating points no other one beats in quality and in cost at once."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.compare.grouping import AGREEMENT, grouped
from harness.compare.log_ratio import Floors, LogMean, measured
from harness.compare.losses import ModelLoss, ModelLosses
from harness.compare.noise import identity
from harness.compare.points import Point
from harness.compare.quality import BOUND
from harness.compare.refusals import cut_of, list_length
from harness.compare.seeds import Seeds, missing_seeds, of_seeds, seeds_of, usual_seeds
from harness.record import Record, Status

# Axis -> the field of the record, and whether more of it is better.
AXES: Mapping[str, tuple[str, bool]] = {
    "QPS": ("qps", True),
    "p99": ("latency_p99_s", False),
    "bytes": ("index_bytes", False),
    "build": ("build_s", False),
}
# Known of each spot, and an axis of no frontier: p95 answers where no record holds a p99.
KNOWN: Mapping[str, tuple[str, bool]] = {**AXES, "p95": ("latency_p95_s", False)}


@dataclass(frozen=True, slots=True)
class Spot:
    """One operating point under one load, as a place in the plane of quality and cost.

    Attributes
    ----------
    quality : mean over queries, then over repeats and ``seeds``; None where the trial has none.
    low, high : 95 % interval over queries, the mean of the records' intervals.
    costs : axis of `KNOWN` -> what was measured, None where nothing was: bytes as the arithmetic
        mean over seeds, the rest as the geometric one of all records.
    status, reason : of the records.
    index_loss : 1 - agreement with the method's own exhaustive score; None where not measured.
    model_loss : quality that the method's exhaustive score lacks to the reference, the mean over
        seeds; None where nobody searched it exactly, see `harness.compare.losses.ModelLosses`.
    exact : quality of the exhaustive score, None likewise: what no search of this model exceeds.
    loss_note : why there is no model loss, or of which seeds it is not.
    seeds : those that its numbers come from, in order.
    missing : seeds that most points of the plane have and this one lacks. Such a point competes
        with nobody: its mean is over other trainings than theirs.
    """

    point: Point
    load: Mapping[str, Any]
    quality: float | None
    low: float | None
    high: float | None
    costs: Mapping[str, LogMean | None]
    status: str
    reason: str | None
    index_loss: float | None = None
    model_loss: float | None = None
    exact: float | None = None
    loss_note: str | None = None
    seeds: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()

    @property
    def competes(self) -> bool:
        """Return whether the spot may stand on a frontier."""
        ok = self.status == Status.OK and self.quality is not None and not self.missing
        return ok and self.point.first.method != BOUND


@dataclass(frozen=True, slots=True)
class Plane:
    """Spots that compare: one data set, device, machine, number of threads, profile and load.

    So are the length of lists, the version of the metrics and those of libraries.

    Attributes
    ----------
    apart : of these three what tells the plane from others of the run, in words.
    """

    load: Mapping[str, Any]
    spots: Sequence[Spot]
    apart: str = ""

    def axis_values(self, axis: str) -> list[Spot]:
        """Return the competing spots that have a value on an axis."""
        return [one for one in self.spots if one.competes and one.costs[axis] is not None]

    def on_frontier(self, axis: str) -> list[bool]:
        """Return for each spot whether no other beats it in quality and on this axis."""
        known = self.axis_values(axis)
        costs = [cost_on(one, axis) for one in known]
        kept = is_pareto(np.array([one.quality for one in known], float), np.array(costs, float))
        best = {id(one) for one, stays in zip(known, kept, strict=True) if stays}
        return [id(one) in best for one in self.spots]


def cost_on(spot: Spot, axis: str) -> float:
    """Return the logarithm of a cost: less is better, of a rate its inverse."""
    mean = spot.costs[axis]
    assert mean is not None
    return -mean.mean if KNOWN[axis][1] else mean.mean


def is_pareto(
    quality: npt.NDArray[np.float64], cost: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return which points no other one dominates: at least as good in both, better in one.

    Equal points do not dominate each other.

    >>> is_pareto(np.array([0.9, 0.8, 0.7]), np.array([3.0, 1.0, 2.0])).tolist()
    [True, True, False]
    """
    kept = np.zeros(len(quality), dtype=bool)
    best, at_cost = -np.inf, np.inf
    for number in np.lexsort((-quality, cost)):  # cheapest first, of equal cost the best first
        equal = quality[number] == best and cost[number] == at_cost
        if quality[number] > best or equal:
            kept[number] = True
            best, at_cost = quality[number], cost[number]
    return kept


def planes_of(points: Sequence[Point], metric: str) -> list[Plane]:
    """Return the planes of a run's points; points without a timed load are a plane of their own."""
    losses = ModelLosses(points, metric)
    groups = grouped(
        ((point, one), _plane_key(one), _facts(point, one))
        for point in points
        for one in point.records
    )
    apart = _apart([[one for _, one in group] for group in groups])
    return [
        _plane(group, metric, losses, words) for group, words in zip(groups, apart, strict=True)
    ]


def _plane(
    group: Sequence[tuple[Point, Record]], metric: str, losses: ModelLosses, apart: str
) -> Plane:
    found: dict[int, tuple[Point, list[Record]]] = {}
    for point, one in group:
        found.setdefault(id(point), (point, []))[1].append(one)
    rivals = (one for one in found.values() if one[0].first.method != BOUND)
    usual = usual_seeds((point, seeds_of(records, metric)) for point, records in rivals)
    spots = [_spot(point, records, metric, losses, usual) for point, records in found.values()]
    return Plane(spots[0].load, spots, apart)


def _plane_key(record: Record) -> str:
    names = ("data_hash", "split", "device", "threads", "fit_threads", "profile")
    values = [getattr(record, name) for name in names]
    tables = [dict(record.load), dict(identity(record)), dict(record.environment)]
    return json.dumps([*values, *tables], sort_keys=True)


def _facts(point: Point, record: Record) -> dict[str, int]:
    """Return the length of lists and the metrics' version, as far as the point tells them."""
    version = record.metrics_version
    told = (one.metrics_version for one in point.records if one.metrics_version is not None)
    facts = {
        "k": cut_of(record.metrics) or list_length(point),
        "version": next(told, None) if version is None else version,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _apart(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Return for each group of records what tells it from the others, in words."""
    tables = [_told(one) for one in groups]
    names = dict.fromkeys(name for one in tables for name in one)
    differing = [name for name in names if len({one.get(name) for one in tables} - {None}) > 1]
    return [", ".join(f"{name} {one[name]}" for name in differing if name in one) for one in tables]


def _told(records: Sequence[Record]) -> dict[str, str]:
    cuts = [cut for one in records if (cut := cut_of(one.metrics)) is not None]
    versions = [one.metrics_version for one in records if one.metrics_version is not None]
    told = {"lists of": max(cuts, default=None), "metrics version": next(iter(versions), None)}
    facts = {name: str(value) for name, value in told.items() if value is not None}
    return {**facts, **{name: str(value) for name, value in records[0].environment.items()}}


def _spot(
    point: Point,
    records: Sequence[Record],
    metric: str,
    losses: ModelLosses,
    usual: Seeds,
) -> Spot:
    seeds = seeds_of(records, metric)
    rival = seeds and point.first.method != BOUND
    missing = missing_seeds(point, seeds, usual) if rival else ()
    kept = of_seeds(records, usual) if usual and seeds >= usual else records
    valid = [one for one in kept if one.status == Status.OK]
    shown = valid or list(records)
    bad = next((one for one in records if one.status != Status.OK), None)
    floors = Floors(point.run.floor)
    intervals = [one.metrics_ci[metric] for one in shown if metric in one.metrics_ci]
    low, high = np.mean(intervals, axis=0).tolist() if intervals else (None, None)
    quality = _mean(shown, metric)
    agreement = _mean(shown, AGREEMENT + metric.rpartition("@")[2])
    loss = losses.of(valid) if valid and quality is not None else ModelLoss(None, None, None)
    return Spot(
        point=point,
        load=records[0].load,
        quality=quality,
        low=low,
        high=high,
        costs={axis: _cost(shown, name, floors) for axis, (name, _) in KNOWN.items()},
        status=Status.OK if valid else str(records[0].status),
        reason=None if valid or bad is None else bad.reason,
        index_loss=None if agreement is None else 1 - agreement,
        model_loss=loss.value,
        exact=loss.exact,
        loss_note=loss.note,
        seeds=tuple(sorted({one.seed for one in valid})),
        missing=missing,
    )


def _cost(records: Sequence[Record], name: str, floors: Floors) -> LogMean | None:
    return _size(records) if name == "index_bytes" else measured(records, name, floors)


def _size(records: Sequence[Record]) -> LogMean | None:
    """Return the mean of index bytes over seeds, repeats of a seed first; bytes have no noise."""
    sizes: dict[int, list[int]] = {}
    for one in records:
        if one.index_bytes:
            sizes.setdefault(one.seed, []).append(one.index_bytes)
    if not sizes:
        return None
    mean = statistics.fmean(statistics.fmean(found) for found in sizes.values())
    return LogMean(math.log(mean), 0.0)


def _mean(records: Sequence[Record], metric: str) -> float | None:
    values = [one.metrics[metric] for one in records if metric in one.metrics]
    return float(np.mean(values)) if values else None

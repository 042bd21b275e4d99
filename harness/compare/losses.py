"""Model loss: what a model lacks to the reference when its own score is searched exactly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

from harness.compare.grouping import AGREEMENT
from harness.compare.points import Point
from harness.compare.quality import BOUND, seed_means
from harness.compare.seeds import missing_seeds, seeds_of, usual_seeds, with_seeds
from harness.errors import HarnessError
from harness.params import parse_params
from harness.record import Record
from harness.registry import load_method

# What tells fits apart besides build parameters, as `harness.run.fits` has it.
FIT = ("method", "data_hash", "split", "device", "fit_threads", "learned_from", "seed")


@dataclass(frozen=True, slots=True)
class ModelLoss:
    """The model loss of one point.

    Attributes
    ----------
    exact : quality of the same model when its score is searched exactly, the mean over seeds; None
        where nobody did.
    value : what that lacks to the reference.
    note : what a reader should know: why there is none, or of which seeds it is not.
    """

    exact: float | None
    value: float | None
    note: str | None


class ModelLosses:
    """Looks up model losses by one metric.

    A record searches exactly where its agreement with exhaustive search is 1. Such a record stands
    for every record of the same fit that is ordered by the same score: of its own trial, of a trial
    that took its fit over (``fitted_by``), or of one with the same method, data, split, device,
    fitting threads, seed and build parameters but those of the index.
    """

    def __init__(self, points: Sequence[Point], metric: str) -> None:
        """Gather what was searched exactly."""
        self._metric, self._agreement = metric, AGREEMENT + metric.rpartition("@")[2]
        self._reference = _reference(points, metric)
        self._exact: dict[str, list[Record]] = {}
        for point in points:
            for one in point.valid:
                if self._is_exact(one):
                    self._exact.setdefault(_key(one), []).append(one)

    def of(self, records: Sequence[Record]) -> ModelLoss:
        """Return the loss of valid records of one point: the mean over their seeds."""
        if all(self._agreement not in one.metrics for one in records):
            return ModelLoss(None, None, f"no model loss: the records hold no {self._agreement}")
        found: dict[int, list[float]] = {}
        for one in records:
            values = found.setdefault(one.seed, [])
            if (quality := self._quality(one)) is not None:
                values.append(quality)
        known = {seed: fmean(values) for seed, values in found.items() if values}
        missing = sorted(seed for seed, values in found.items() if not values)
        if not known:
            note = "no model loss: nobody searched this fit by this score exactly"
            return ModelLoss(None, None, note)
        names = ", ".join(map(str, missing))
        note = f"model loss without seeds {names}, which nobody searched exactly"
        exact, reference = fmean(known.values()), self._reference[records[0].data_hash]
        if not (shared := [seed for seed in known if seed in reference]):
            return ModelLoss(exact, None, "no model loss: the reference has none of these seeds")
        value = fmean(reference[seed] - known[seed] for seed in shared)
        if missing:
            return ModelLoss(exact, value, note)
        lacking = ", ".join(str(seed) for seed in sorted(known) if seed not in reference)
        note = f"model loss without seeds {lacking}, which the reference has not"
        return ModelLoss(exact, value, note if lacking else None)

    def _is_exact(self, record: Record) -> bool:
        return record.metrics.get(self._agreement) == 1.0 and self._metric in record.metrics

    def _quality(self, record: Record) -> float | None:
        """Return what exact search of a record's score gives, its own where it is exact."""
        if self._is_exact(record):
            return record.metrics[self._metric]
        rivals = self._exact.get(_key(record), [])
        same = [one for one in rivals if one.trial_id == record.trial_id]
        same = same or [one for one in rivals if _shares_fit(one, record)]
        return fmean(one.metrics[self._metric] for one in same) if same else None


@cache
def index_params(method: str, build: str = "{}") -> frozenset[str]:
    """Return which build parameters a fit does not read, of an unknown method none.

    ``build`` is a JSON object: a method may read more of it in a fit where something else is set.
    What the method of today does not take leaves what it says of all its builds.
    """
    try:
        known = load_method(method)
    except HarnessError:
        return frozenset()
    try:
        return known(parse_params(known.BuildParams, json.loads(build))).index_params
    except (HarnessError, ValueError):
        return known.index_params


def score_of(search: Mapping[str, Any]) -> str:
    """Return which score orders the items at a search setting, as far as settings change it.

    They do so in SparCode alone: lists serve the score through codes, which the parameter
    ``fallback`` extends; where candidates are scored again that score counts instead, and with
    ``lists_weight`` a sum of both.

    >>> [score_of({"scoring": one}) for one in ("served", "quantised", "unquantised")]
    ['quantised', 'quantised', 'unquantised']
    >>> score_of({"scoring": "served", "rescore": "full"}), score_of({"nprobe": 4})
    ('unquantised', '')
    >>> score_of({"scoring": "served", "rescore": "towers", "lists_weight": 0.5})
    'towers, 0.5 of lists'
    """
    if "scoring" not in search:
        return ""
    again = search.get("rescore", "none")
    if again != "none":
        again = "unquantised" if again == "full" else again
        weight = search.get("lists_weight", 0.0)
        return f"{again}, {weight:g} of lists" if weight else again
    if search["scoring"] == "unquantised":
        return "unquantised"
    fallback = search.get("fallback", "none")
    return "quantised" if fallback == "none" else f"quantised, {fallback}"


def _key(record: Record) -> str:
    return json.dumps([score_of(record.search), *(getattr(record, one) for one in FIT)])


def _shares_fit(one: Record, other: Record) -> bool:
    """Return whether two records of equal `FIT` are of one fitted model."""
    if dict(one.build) == dict(other.build):
        return True
    if one.fitted_by or other.fitted_by:
        fits = [x.fitted_by or x.attempt for x in (one, other)]
        if fits[0] == fits[1]:
            return True
    return _learned(one) == _learned(other)


def _learned(record: Record) -> dict[str, Any]:
    unread = index_params(record.method, json.dumps(dict(record.build), sort_keys=True))
    return {name: value for name, value in record.build.items() if name not in unread}


def _reference(points: Sequence[Point], metric: str) -> dict[str, Mapping[int, float]]:
    """Return by data hash and seed the quality that model loss counts from.

    It is that of the best possible score, where the run has one, in each seed of the run; else of
    the best point, of those with the seeds that most points have.
    """
    groups: dict[str, list[Point]] = {}
    for one in points:
        if seeds_of(one.records, metric):
            groups.setdefault(one.first.data_hash, []).append(one)
    return {data: _best(group, metric) for data, group in groups.items()}


def _best(points: Sequence[Point], metric: str) -> Mapping[int, float]:
    seeds = [seeds_of(one.records, metric) for one in points]
    usual = usual_seeds(zip(points, seeds, strict=True))
    bounds = [one for one in points if one.first.method == BOUND]
    known = zip(points, seeds, strict=True)
    whole = [one for one, have in known if not missing_seeds(one, have, usual)]
    means = [seed_means(with_seeds(one, metric, usual), metric) for one in bounds or whole]
    best = max(means, key=lambda one: fmean(one.values()))
    if not bounds:
        return best
    mean = fmean(best.values())  # a bound is the same with every seed
    return {seed: best.get(seed, mean) for seed in frozenset[int]().union(*seeds)}

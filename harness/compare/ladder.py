"""Ladders: what a model loses on the way from its own score to the lists that serve it."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.compare.points import Pair, Point
from harness.compare.quality import BOUND, compare_quality, mean_of
from harness.compare.seeds import seeds_of, with_seeds

# Values of the search parameter `scoring` of SparCode, from the model's score to what is served.
SCORINGS: Mapping[str, str] = {
    "unquantised": "the model's score of every item, before its codes",
    "quantised": "the score through codes, of every item",
    "served": "the posting lists",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to score.

    Attributes
    ----------
    scoring : a key of `SCORINGS`.
    value : mean of the metric over queries, repeats and the seeds that all rungs have.
    low, high : mean of the records' 95 % intervals, None where they hold none.
    step : row of `harness.compare.quality.compare_quality` against the rung before; None for the
        first.
    """

    scoring: str
    point: Point
    value: float
    low: float | None
    high: float | None
    step: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of one built model; ``bound`` is the best possible score, where the run has it."""

    rungs: Sequence[Rung]
    bound: float | None

    @property
    def first(self) -> Rung:
        """Return the model's own score, or the first that was measured."""
        return self.rungs[0]


def ladders(points: Sequence[Point], metric: str) -> list[Ladder]:
    """Return the ladder of each case that was searched in two or more ways of `SCORINGS`.

    Points of one ladder share case, parameters but ``scoring``, data, device, threads and profile.
    """
    groups: dict[str, dict[str, Point]] = {}
    for point in points:
        scoring = str(point.first.search.get("scoring"))
        if scoring in SCORINGS and mean_of(point, metric) is not None:
            groups.setdefault(_key(point), {})[scoring] = point
    kept = [
        _same_seeds([group[one] for one in SCORINGS if one in group], metric)
        for group in groups.values()
        if len(group) > 1
    ]
    pairs = [Pair(a, b) for group in kept for a, b in itertools.pairwise(group)]
    if not pairs:
        return []
    frame = compare_quality(pairs, [metric])
    steps = {int(row["pair"]): row for row in frame.to_dict("records")}
    bounds = {
        one.first.data_hash: mean_of(one, metric) for one in points if one.first.method == BOUND
    }
    found, number = [], 0
    for group in kept:
        rungs = [_rung(group[0], metric, None)]
        for point in group[1:]:
            rungs.append(_rung(point, metric, {str(k): v for k, v in steps[number].items()}))
            number += 1
        found.append(Ladder(rungs, bounds.get(group[0].first.data_hash)))
    return found


def whole_loss(ladder: Ladder) -> float:
    """Return what the last rung lacks to the first; below zero where it is better."""
    return ladder.rungs[0].value - ladder.rungs[-1].value


def step_text(step: Mapping[str, Any] | None) -> str:
    """Return a step in words: the difference, its intervals and what the tests say."""
    if step is None or pd.isna(step["difference"]):
        return "" if step is None else str(step["reason"] or "not tested")
    interval = "" if pd.isna(step["low"]) else f" [{step['low']:+.4f}, {step['high']:+.4f}]"
    if not pd.isna(step["seed_low"]):
        bounds = f"[{step['seed_low']:+.4f}, {step['seed_high']:+.4f}]"
        interval += f", over {step['n_seeds']:.0f} seeds {bounds}"
    told = step["status"] != "refused"
    why = step["status"] if told else step["reason"] or "not tested"
    return f"{step['difference']:+.4f}{interval}, {why}"


def _same_seeds(group: Sequence[Point], metric: str) -> list[Point]:
    """Return points without the seeds that one of them lacks, as they are if they share none."""
    shared = frozenset.intersection(*(seeds_of(one.records, metric) for one in group))
    return [with_seeds(one, metric, shared) for one in group] if shared else list(group)


def _rung(point: Point, metric: str, step: Mapping[str, Any] | None) -> Rung:
    value = mean_of(point, metric)
    assert value is not None
    known = [one.metrics_ci[metric] for one in point.valid if metric in one.metrics_ci]
    low = sum(one[0] for one in known) / len(known) if known else None
    high = sum(one[1] for one in known) / len(known) if known else None
    return Rung(point.first.search["scoring"], point, value, low, high, step)


def _key(point: Point) -> str:
    first = point.first
    search = {name: value for name, value in first.search.items() if name != "scoring"}
    what = ("case", "build", "learned_from")
    names = (*what, "data_hash", "split", "device", "threads", "fit_threads", "profile")
    return json.dumps([search, *(getattr(first, name) for name in names)], sort_keys=True)

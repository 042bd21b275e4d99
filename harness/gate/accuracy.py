"""Lane 2: accuracy, paired by query with the baseline's values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from harness.baseline import Baseline, Spread, by_name
from harness.compare.paired import ALPHA, LEVEL, Paired, Values, compare_paired, holm
from harness.facts import Taken
from harness.gate.exact import other_arithmetic
from harness.gate.verdict import Finding, Verdict

LANE = 2
LEAST_LOSS = 0.002  # of a mean between 0 and 1: 0.2 point
SEED = 20077  # of flips and resamples: the gate says the same twice


@dataclass(frozen=True, slots=True)
class _Cell:
    """One metric of one point where some query differs."""

    name: str
    metric: str
    differences: Values
    same_lists: bool
    noise: float  # of trainings, on another machine than the baseline's; else 0


def compare_accuracy(
    baseline: Baseline, taken: Sequence[Taken], arithmetic: Mapping[str, str]
) -> list[Finding]:
    """Return a finding for each metric of each point that both sides have.

    Where no query differs it is the same. Where lists are the baseline's and values are not, a
    metric has changed, which is a regression unless its definition has a new version. Otherwise a
    mean has regressed when the 95 % interval of its change lies below zero, the loss is at least
    0.2 point and the sign-flip test, by Holm over all such cells, has p < 5 %; it is a warning when
    only interval or loss speaks, and when there is a gain of that size, for a leak gains too.

    A method that learns gives other lists on another machine. There the loss must also exceed what
    two trainings differ by, by the seeds of the baseline.
    """
    elsewhere = bool(other_arithmetic(baseline.arithmetic, arithmetic))
    here, findings, cells = by_name(taken), [], []
    for name, base in baseline.points.items():
        other = here.get(name)
        if other is None or not other.facts.lists or not base.facts.lists:
            continue
        reason = _refusal(base, other)
        if reason:
            findings.append(_say(baseline, name, "accuracy", Verdict.INCONCLUSIVE, reason))
            continue
        for metric in dict.fromkeys([*base.values, *other.values]):
            if metric not in base.values or metric not in other.values:
                verdict = Verdict.MISSING if metric in base.values else Verdict.NEW
                findings.append(_say(baseline, name, metric, verdict, "on one side only"))
                continue
            differences = other.values[metric] - base.values[metric]
            differences = differences[np.isfinite(differences)]
            if differences.size == 0 or not differences.any():
                findings.append(_say(baseline, name, metric, Verdict.SAME))
                continue
            noise = 0.0
            if elsewhere and not base.facts.exact:
                noise = _noise(baseline.spreads.get(name), metric)
            same = other.facts.lists == base.facts.lists
            cells.append(_Cell(name, metric, differences, same, noise))
    return findings + _judged(baseline, cells)


def _judged(baseline: Baseline, cells: Sequence[_Cell]) -> list[Finding]:
    found = compare_paired([one.differences for one in cells], seed=SEED)
    adjusted = holm([one.p for one in found])
    return [
        _say(baseline, cell.name, cell.metric, _verdict(cell, one, p), _text(cell, one, p))
        for cell, one, p in zip(cells, found, adjusted, strict=True)
    ]


def _verdict(cell: _Cell, one: Paired, p_holm: float) -> Verdict:
    if cell.same_lists:
        return Verdict.REGRESSED  # the metric is another, and its version does not say so
    if math.isinf(cell.noise):
        return Verdict.INCONCLUSIVE
    large = abs(one.difference) >= max(LEAST_LOSS, cell.noise)
    clear = one.high < 0 or one.low > 0
    if one.difference < 0 and large and clear and p_holm < ALPHA:
        return Verdict.REGRESSED
    if large and clear:
        return Verdict.WARNING
    if one.difference < 0 and (large or (clear and not cell.noise)):
        return Verdict.WARNING
    return Verdict.UNCHANGED


def _text(cell: _Cell, one: Paired, p_holm: float) -> str:
    if cell.same_lists:
        return f"{one.wins + one.losses} queries score otherwise by the same lists"
    seen = "" if one.detectable is None else f", detectable {one.detectable:.4f}"
    noise = f", trainings differ by up to {cell.noise:.4f}" if cell.noise else ""
    return (
        f"{one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}], p {p_holm:.3g} (Holm), "
        f"{one.wins} up, {one.losses} down of {one.n}{seen}{noise}"
    )


def _noise(spread: Spread | None, metric: str) -> float:
    """Return what two trainings stay within with 95 %: t * sqrt(2) * s, s over the seeds."""
    if spread is None or spread.n_seeds < 2:
        return math.inf
    factor = float(special.stdtrit(spread.n_seeds - 1, (1 + LEVEL) / 2))
    return factor * math.sqrt(2) * spread.deviations.get(metric, math.inf)


def _refusal(base: Taken, other: Taken) -> str | None:
    if base.facts.data_hash != other.facts.data_hash:
        return "other data"
    if base.facts.metrics_version != other.facts.metrics_version:
        return "other definitions of the metrics"
    if not np.array_equal(base.user_ids, other.user_ids):
        return "the queries are not the same"
    return None


def _say(baseline: Baseline, name: str, fact: str, verdict: Verdict, text: str = "") -> Finding:
    return Finding(LANE, baseline.suite, name, fact, verdict, text)

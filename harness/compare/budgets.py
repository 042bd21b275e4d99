"""Budgets: what each case gives at a fixed quality, memory or latency, and who leads for sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.compare.frontier import Plane, Spot, cost_on, is_pareto
from harness.compare.knobs import least_quality, lines_of, numeric
from harness.compare.log_ratio import LogMean, between, ratio
from harness.compare.over_seeds import over_seeds
from harness.compare.paired import Values, bootstrap_bounds
from harness.compare.quality import NOT_KEPT, SEED, Reader
from harness.compare.seeds import in_every_seed

NEAR = 0.005  # of quality: rates are those of the target within half a point, or are bracketed
SAME = 1e-9  # of a quality, or of a logarithm: the same number through two formulas
Kind = Literal["quality", "bytes", "p99", "p95"]  # what is fixed
# exact, between: measured there, or interpolated between two points that bracket the budget by one
# numeric search setting; alone: the case has one point, and it is within; at_least: the best point
# within, where the case, or a line that the point is on, does not go beyond the budget, so that
# more may be possible; measured: the best point within, where no setting leads to more from it;
# none: no point is within.
How = Literal["exact", "between", "alone", "at_least", "measured", "none"]


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound in SI base units: quality at least, bytes or seconds at most."""

    kind: Kind
    bound: float

    @property
    def axis(self) -> str:
        """Return the axis of `KNOWN` that quality is weighed against."""
        return "QPS" if self.kind == "quality" else self.kind


@dataclass(frozen=True, slots=True)
class Offer:
    """What a case gives within a budget: QPS for a fixed quality, else quality.

    Attributes
    ----------
    value : None where ``how`` is none.
    ends : the two points that bracket the budget, or one of them twice.
    weight : how far from the first to the second, 0 to 1.
    """

    case: str
    how: How
    value: float | None = None
    ends: tuple[Spot, Spot] | None = None
    weight: float = 0.0

    @property
    def rate(self) -> LogMean:
        """Return the QPS with its variance."""
        assert self.ends is not None
        first, second = (one.costs["QPS"] for one in self.ends)
        assert first is not None
        assert second is not None
        return between(first, second, self.weight)


@dataclass(frozen=True, slots=True)
class Decision:
    """Who leads within a budget: ``leader`` is None where it is undecided, and ``why`` says why."""

    budget: Budget
    offers: Sequence[Offer]
    leader: str | None
    why: str


def offers_of(plane: Plane, budget: Budget) -> list[Offer]:
    """Return what each case of a plane gives within a budget, in order of appearance.

    Between two points of one line, see `harness.compare.knobs.lines_of`, that no other of the line
    dominates, quality is taken as linear in the logarithm of the cost; beyond the outermost, and
    between points of no line, nothing is said: the best point within stands.
    """
    cases: dict[str, list[Spot]] = {}
    for spot in plane.axis_values(budget.axis):
        cases.setdefault(spot.point.first.case, []).append(spot)
    return [_offer(case, spots, budget) for case, spots in cases.items()]


def decide(plane: Plane, budget: Budget, reader: Reader, metric: str) -> Decision:
    """Return who leads within a budget, where noise leaves no doubt.

    A leader must clear every other case that has a point within the budget: in quality the 95 %
    bootstrap interval of the difference paired by query excludes 0, and of several seeds that over
    seeds too, of the queries that were scored on both sides; in QPS the 95 % interval of the ratio
    excludes 1.

    What was measured decides: a case whose points all lie within the budget stands with the best of
    them, a lower bound, and other settings might give more. That leaves a quality undecided only
    where it is known that they could be better than the leader: where the same model, searched
    exactly, is. It leaves a QPS undecided where the case has a numeric search setting and was
    measured only with more than `NEAR` above the quality asked for.
    """
    offers = offers_of(plane, budget)
    within = sorted(
        (one for one in offers if one.value is not None), key=lambda one: -(one.value or 0.0)
    )
    if not within:
        return Decision(budget, offers, None, "no point is within")
    first, *others = within
    for other in others:
        doubt = _doubt(first, other, budget, reader, metric) or _hidden(first, other, plane, budget)
        if doubt:
            return Decision(budget, offers, None, doubt)
    return Decision(budget, offers, first.case, "" if others else "alone within")


def summary(decisions: Sequence[Decision]) -> str:
    """Return in words how often who leads: ``"A leads on 4 of 5 budgets, 1 undecided"``."""
    leads: dict[str, int] = {}
    for one in decisions:
        if one.leader is not None:
            leads[one.leader] = leads.get(one.leader, 0) + 1
    n, undecided = len(decisions), len(decisions) - sum(leads.values())
    ranked = sorted(leads.items(), key=lambda item: -item[1])
    parts = [f"{case} leads on {count} of {n} budgets" for case, count in ranked]
    return ", ".join([*parts, f"{undecided} undecided"])


def default_budgets(plane: Plane, kind: Kind, n: int = 5) -> list[Budget]:
    """Return n bounds, evenly spaced within what all points of a plane span, costs by logarithm."""
    spots = plane.axis_values("QPS" if kind == "quality" else kind)
    if not spots:
        return []
    if kind == "quality":
        known = np.array([one.quality for one in spots], float)
    else:
        known = np.array([cost_on(one, kind) for one in spots])
    low, high = float(known.min()), float(known.max())
    bounds = np.array([low]) if low == high else np.linspace(low, high, n + 2)[1:-1]
    return [Budget(kind, float(one if kind == "quality" else np.exp(one))) for one in bounds]


def _offer(case: str, spots: Sequence[Spot], budget: Budget) -> Offer:
    """Return the best that a case gives: a point within, or what lies between two of a line."""
    within = [one for one in spots if _is_within(one, budget)]
    if not within:
        return Offer(case, "none")
    best = max(within, key=lambda one: (_value(one, budget), -_place(one, budget)))
    value = _value(best, budget)
    found = [_between(case, line, budget) for line in lines_of(spots)]
    higher = [one for one in found if one is not None and (one.value or 0.0) > value]
    if higher:
        return max(higher, key=lambda one: one.value or 0.0)
    return Offer(case, _how(best, spots, budget), value, (best, best))


def _between(case: str, line: Sequence[Spot], budget: Budget) -> Offer | None:
    """Return what a line gives at the budget itself, None where no two of its points bracket it."""
    quality = np.array([one.quality for one in line], float)
    kept = is_pareto(quality, np.array([cost_on(one, budget.axis) for one in line]))
    curve = [one for one, stays in zip(line, kept, strict=True) if stays]
    curve.sort(key=lambda one: _place(one, budget))  # from well within to far outside
    n_inside = sum(_is_within(one, budget) for one in curve)
    if not 0 < n_inside < len(curve):
        return None
    ends = curve[n_inside - 1], curve[n_inside]
    first, second = (_place(one, budget) for one in ends)
    weight = (_bound(budget) - first) / (second - first)
    if budget.kind == "quality":
        offer = Offer(case, "between", None, ends, weight)
        return Offer(case, "between", offer.rate.value, ends, weight)
    low, high = (_value(one, budget) for one in ends)
    return Offer(case, "between", (1 - weight) * low + weight * high, ends, weight)


def _how(best: Spot, spots: Sequence[Spot], budget: Budget) -> How:
    """Return how the best point within the budget stands for its case."""
    if abs(_place(best, budget) - _bound(budget)) <= SAME:
        return "exact"
    if len(spots) == 1:
        return "alone"
    lines = [line for line in lines_of(spots) if any(one is best for one in line)]
    whole = any(all(_is_within(one, budget) for one in line) for line in (spots, *lines))
    return "at_least" if whole else "measured"


def _bound(budget: Budget) -> float:
    """Return the place of the budget itself."""
    return -budget.bound if budget.kind == "quality" else float(np.log(budget.bound))


def _is_within(spot: Spot, budget: Budget) -> bool:
    return _place(spot, budget) <= _bound(budget) + SAME


def _place(spot: Spot, budget: Budget) -> float:
    """Return a number that grows from within the budget to outside of it."""
    if budget.kind == "quality":
        assert spot.quality is not None
        return -spot.quality
    return cost_on(spot, budget.kind)


def _value(spot: Spot, budget: Budget) -> float:
    rate = spot.costs["QPS"]
    if budget.kind == "quality":
        assert rate is not None
        return rate.value
    assert spot.quality is not None
    return spot.quality


def _doubt(first: Offer, other: Offer, budget: Budget, reader: Reader, metric: str) -> str | None:
    """Return why the first is not clear of the other by what was measured, None where it is."""
    if budget.kind == "quality":
        one = ratio(other.rate, first.rate)
        if one.low is None:
            return f"the noise of {first.case} or {other.case} is not known"
        return None if one.low > 1 else f"{first.case} and {other.case} within noise"
    spots = [one for offer in (first, other) for one in offer.ends or ()]
    if any(not reader.by_seed(one.point) for one in spots):
        return f"{first.case} and {other.case}: {NOT_KEPT}"
    a, b = (_by_seed(one, reader, metric) for one in (first, other))
    assert first.ends is not None
    assert other.ends is not None
    a, b = in_every_seed(a, b, first.ends[0].point, other.ends[0].point)
    shared = sorted(set(a) & set(b))
    if not shared or any(a[one].shape != b[one].shape for one in shared):
        return f"{first.case} and {other.case} have no queries and seeds in common"
    differences = np.stack([a[one] - b[one] for one in shared])  # (seeds, n)
    scored = np.isfinite(differences)  # a sampled metric is NaN where a query was not drawn
    if not scored.any(axis=1).all():
        return f"{first.case} and {other.case} have no query scored on both sides of a seed"
    by_query = np.nanmean(differences[:, scored.any(axis=0)], axis=0)
    low, _ = bootstrap_bounds(by_query[None, :], seed=SEED)
    if not low[0] > 0:
        return f"{first.case} and {other.case} within noise"
    seeds = over_seeds(np.nanmean(differences, axis=1).tolist())
    if seeds is not None and not seeds.low > 0:
        return f"{first.case} and {other.case} within noise of seeds"
    return None


def _hidden(first: Offer, other: Offer, plane: Plane, budget: Budget) -> str | None:
    """Return why another case may exceed the leader beyond its points, None where it cannot.

    No search of a model exceeds what its own score gives when it is searched exactly. A rate at
    more quality than asked for is a lower bound where a numeric setting trades one for the other.
    """
    known = plane.axis_values(budget.axis)
    spots = [one for one in known if one.point.first.case == other.case]
    if budget.kind == "quality":
        return _slower(other, spots, budget)
    if other.how != "at_least":
        return None
    assert first.value is not None
    assert other.value is not None
    within = [one for one in spots if _is_within(one, budget)]
    most = max((one.exact for one in within if one.exact is not None), default=None)
    if most is None or most <= first.value:
        return None
    told = f"its model searched exactly has {most:.4f}"
    return f"{other.case} >= {other.value:.4f}, not bracketed: {told}"


def _slower(offer: Offer, spots: Sequence[Spot], budget: Budget) -> str | None:
    """Return why a case may be faster at the quality asked for than where it was measured."""
    if offer.how in ("exact", "between") or offer.ends is None or offer.value is None:
        return None
    best = offer.ends[0]
    least = least_quality(best, spots)
    if not numeric(best.point.first.search) or least <= budget.bound + NEAR:
        return None
    return f"{offer.case} >= {offer.value:,.0f} QPS, not bracketed: measured from {least:.4f} on"


def _by_seed(offer: Offer, reader: Reader, metric: str) -> dict[int, Values]:
    """Return by seed the quality of each query, interpolated as the mean is; over repeats."""
    assert offer.ends is not None
    first, second = (_values(reader, spot, metric) for spot in offer.ends)
    return {
        seed: (1 - offer.weight) * first[seed] + offer.weight * second[seed]
        for seed in first
        if seed in second and first[seed].shape == second[seed].shape
    }


def _values(reader: Reader, spot: Spot, metric: str) -> dict[int, Values]:
    """Return by seed of the spot the values of each query; without those that lack the metric."""
    return {
        seed: np.mean([one.metrics[metric] for one in repeats], axis=0)
        for seed, repeats in reader.by_seed(spot.point).items()
        if seed in spot.seeds and all(metric in one.metrics for one in repeats)
    }

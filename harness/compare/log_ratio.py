"""Ratios of measurements: geometric means, and intervals from seeds, A/A pairs or repeats.

Another seed is another training, whose lists and codes may be faster or slower by more than noise.
A/A pairs and repeats of one seed know nothing of that, and three repeats of three seeds are not
nine trainings. So repeats are averaged within their seed, and of several seeds the variance is that
between them. Noise is part of it; where few seeds happen to agree better than noise lets them, the
noise stands instead. With one seed an interval is of this training alone.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scipy import special

from harness.compare.noise import LEVEL, point_key, refusals
from harness.noise_floor import NoiseFloor, Spread
from harness.record import Record

LEAST_FREEDOM = 2  # of a variance that tells something: three repeats or seeds
WIDEST = 10.0  # an interval that reaches further from its ratio, as a factor, says nothing of it


@dataclass(frozen=True, slots=True)
class LogMean:
    """The mean logarithm of measurements of one quantity.

    Attributes
    ----------
    mean : of natural logarithms.
    variance : of the mean; None where nothing tells it.
    freedom : degrees of freedom of the variance.
    trainings : by seed the mean of its repeats; {} where seeds are not told.
    """

    mean: float
    variance: float | None = None
    freedom: float = math.inf
    trainings: Mapping[int, "LogMean"] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """Return the geometric mean."""
        return math.exp(self.mean)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One geometric mean over another, with its 95 % interval where both variances tell one."""

    value: float
    low: float | None
    high: float | None


def log_mean(values: Sequence[float], spread: Spread | None = None) -> LogMean | None:
    """Return the mean of measurements of one training above 0, None where there is none.

    With a ``spread`` from A/A pairs one measurement has the variance sigma_AA^2 / 2, known with as
    many degrees of freedom as there are pairs; else repeats tell it, from two on.
    """
    known = [math.log(one) for one in values if one > 0]
    if not known:
        return None
    mean, n = statistics.fmean(known), len(known)
    if spread is not None:
        return LogMean(mean, spread.sigma**2 / 2 / n, spread.n_pairs)
    if n > 1:
        return LogMean(mean, _variance(known) / n, n - 1)
    return LogMean(mean)


def over_trainings(trainings: Mapping[int, LogMean]) -> LogMean:
    """Return the mean over seeds, of one seed that of its repeats.

    The variance is that between seeds, with as many degrees of freedom less one, and never below
    what noise within the seeds makes of it.
    """
    ones = list(trainings.values())
    mean, n = statistics.fmean(one.mean for one in ones), len(ones)
    if n == 1:
        return LogMean(mean, ones[0].variance, ones[0].freedom, trainings)
    variance = _variance([one.mean for one in ones]) / n
    noise = [one.variance for one in ones if one.variance is not None]
    if len(noise) == n:
        variance = max(variance, sum(noise) / n**2)
    return LogMean(mean, variance, n - 1, trainings)


def between(low: LogMean, high: LogMean, weight: float) -> LogMean:
    """Return the mean that lies ``weight`` of the way, 0 to 1, from one to the other.

    Of the same seeds each lies there by itself: a training that is fast at one end is so at both.
    """
    if low.trainings and set(low.trainings) == set(high.trainings):
        return over_trainings(
            {
                seed: between(one, high.trainings[seed], weight)
                for seed, one in low.trainings.items()
            }
        )
    mean = (1 - weight) * low.mean + weight * high.mean
    if low.variance is None or high.variance is None:
        return LogMean(mean)
    variance = (1 - weight) ** 2 * low.variance + weight**2 * high.variance
    return LogMean(mean, variance, min(low.freedom, high.freedom))


def ratio(base: LogMean, other: LogMean) -> Ratio:
    """Return other over base with Welch's interval of the difference of logarithms.

    There is none where a variance is not known, or comes from fewer than three repeats or seeds:
    of two, Student's factor is 12.7 and the interval may span orders of magnitude. Nor is there one
    that reaches further than tenfold from its ratio.

    References
    ----------
    Welch, Biometrika 34, 1947 (degrees of freedom of two unequal variances).
    """
    difference = other.mean - base.mean
    if base.variance is None or other.variance is None:
        return Ratio(math.exp(difference), None, None)
    total = base.variance + other.variance
    if total == 0:
        return Ratio(math.exp(difference), math.exp(difference), math.exp(difference))
    if min(base.freedom, other.freedom) < LEAST_FREEDOM:
        return Ratio(math.exp(difference), None, None)
    parts = [(one.variance or 0.0) ** 2 / one.freedom for one in (base, other)]
    freedom = total**2 / sum(parts) if sum(parts) else math.inf
    half = _quantile(freedom) * math.sqrt(total)
    if half > math.log(WIDEST):
        return Ratio(math.exp(difference), None, None)
    return Ratio(math.exp(difference), math.exp(difference - half), math.exp(difference + half))


class Floors:
    """Looks up what A/A pairs say of a record's quantity."""

    def __init__(self, floor: NoiseFloor | None) -> None:
        """Index a floor by operating point; without one nothing is known."""
        self._floor = floor
        points = () if floor is None else floor.points
        self._known: Mapping[str, Mapping[str, Spread]] = {
            point_key(one): one.spreads for one in points
        }

    def spread(self, record: Record, name: str) -> Spread | None:
        """Return the spread of a field, None where the floor does not hold for the record."""
        if self._floor is None or refusals(record, self._floor):
            return None
        return self._known.get(point_key(record), {}).get(name)


def measured(records: Sequence[Record], name: str, floors: Floors) -> LogMean | None:
    """Return the mean of a field over records of one point: over repeats, then over seeds.

    A fit that several loads share is one measurement.
    """
    found: dict[int, dict[int, list[float]]] = {}
    for one in records:
        value = number_of(one, name)
        if value is not None and value > 0:
            found.setdefault(one.seed, {}).setdefault(one.repeat, []).append(value)
    if not found:
        return None
    spread = floors.spread(records[0], name)
    trainings = {
        seed: log_mean([_one_of(one) for one in repeats.values()], spread)
        for seed, repeats in found.items()
    }
    return over_trainings({seed: one for seed, one in trainings.items() if one is not None})


def _one_of(loads: Sequence[float]) -> float:
    return loads[0] if len(loads) == 1 else statistics.geometric_mean(loads)


def number_of(record: Record, name: str) -> float | None:
    """Return a field, or None where it is not a measurement.

    The QPS of a load with a fixed rate is that of the arrivals; ``fit_s`` is refitting too.
    """
    if name == "qps" and record.load.get("rate"):
        return None
    value: Any = getattr(record, name)
    if name == "fit_s" and value is not None:
        value += record.refit_s or 0.0
    return None if value is None else float(value)


def _variance(values: Sequence[float]) -> float:
    """Return that of a sample; `statistics.variance` adds up fractions, which takes 20 times."""
    mean = statistics.fmean(values)
    return math.fsum((one - mean) ** 2 for one in values) / (len(values) - 1)


def _quantile(freedom: float) -> float:
    upper = (1 + LEVEL) / 2
    return float(special.ndtri(upper) if math.isinf(freedom) else special.stdtrit(freedom, upper))

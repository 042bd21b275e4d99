"""Ratios of measurements: geometric means, and intervals from A/A pairs or repeats."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from harness.compare.noise import LEVEL, point_key, refusals
from harness.noise_floor import NoiseFloor, Spread
from harness.record import Record

LEAST_FREEDOM = 2  # of a variance that tells something: three repeats
WIDEST = 10.0  # an interval that reaches further from its ratio, as a factor, says nothing of it


@dataclass(frozen=True, slots=True)
class LogMean:
    """The mean logarithm of measurements of one quantity.

    Attributes
    ----------
    mean : of natural logarithms.
    variance : of the mean; None where nothing tells it.
    freedom : degrees of freedom of the variance.
    """

    mean: float
    variance: float | None = None
    freedom: float = math.inf

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
    """Return the mean of measurements above 0, None where there is none.

    With a ``spread`` from A/A pairs one measurement has the variance sigma_AA^2 / 2, known with as
    many degrees of freedom as there are pairs; else repeats tell it, from two on.
    """
    known = np.log([one for one in values if one > 0])
    if known.size == 0:
        return None
    mean, n = float(known.mean()), known.size
    if spread is not None:
        return LogMean(mean, spread.sigma**2 / 2 / n, spread.n_pairs)
    if n > 1:
        return LogMean(mean, float(known.var(ddof=1)) / n, n - 1)
    return LogMean(mean)


def between(low: LogMean, high: LogMean, weight: float) -> LogMean:
    """Return the mean that lies ``weight`` of the way, 0 to 1, from one to the other."""
    mean = (1 - weight) * low.mean + weight * high.mean
    if low.variance is None or high.variance is None:
        return LogMean(mean)
    variance = (1 - weight) ** 2 * low.variance + weight**2 * high.variance
    return LogMean(mean, variance, min(low.freedom, high.freedom))


def ratio(base: LogMean, other: LogMean) -> Ratio:
    """Return other over base with Welch's interval of the difference of logarithms.

    There is none where a variance is not known, or comes from fewer than three measurements: of
    two, Student's factor is 12.7 and the interval may span orders of magnitude. Nor is there one
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
    """Return the mean of a field over records of one point and load: seeds and repeats."""
    values = [value for one in records if (value := number_of(one, name))]
    return log_mean(values, floors.spread(records[0], name)) if values else None


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


def _quantile(freedom: float) -> float:
    upper = (1 + LEVEL) / 2
    return float(special.ndtri(upper) if math.isinf(freedom) else special.stdtrit(freedom, upper))

"""Latency distributions: raw times of a pass -> a curve that ends where the sample settles it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.compare.frontier import Plane, Spot
from harness.record import Record, Status
from harness.stats import FloatValues, minimum_samples

# Seconds of each timed query of a record, or None where its file holds none.
ReadTimes = Callable[[Record], FloatValues | None]
FIELDS: Mapping[float, str] = {
    50.0: "latency_p50_s",
    90.0: "latency_p90_s",
    95.0: "latency_p95_s",
    99.0: "latency_p99_s",
    99.9: "latency_p999_s",
}
N_STEPS = 96  # of a curve, even in -log10(1 - share): as many from 90 to 99 % as from 99 to 99.9 %
MOST = 99.99


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency distribution of one operating point under one load.

    Attributes
    ----------
    spot : which.
    record : the valid record whose times these are: that of the median QPS.
    curve : (percentile, seconds), both ascending.
    is_raw : from every time of the pass; else from the percentiles of the record alone.
    """

    spot: Spot
    record: Record
    curve: tuple[tuple[float, float], ...]
    is_raw: bool


def latencies_of(plane: Plane, read_times: ReadTimes) -> list[Latency]:
    """Return the distribution of each valid point of a plane whose load times single queries."""
    found = []
    for spot in plane.spots:
        timed = [
            one
            for one in spot.point.records
            if one.status == Status.OK
            and one.latency_p50_s is not None
            and dict(one.load) == dict(spot.load)
        ]
        if not timed:
            continue
        timed.sort(key=lambda one: one.qps or 0.0)
        record = timed[(len(timed) - 1) // 2]
        times = read_times(record)
        if times is not None and times.size:
            found.append(Latency(spot, record, latency_curve(times), is_raw=True))
        else:
            found.append(Latency(spot, record, recorded_curve(record), is_raw=False))
    return found


def latency_curve(times: FloatValues) -> tuple[tuple[float, float], ...]:
    """Return observed latencies at growing percentiles, as far as the sample settles them.

    Each is the smallest time that so many per cent of all do not exceed: no interpolation.
    """
    percentiles = [one for one in _grid() if _least(one) <= times.size]
    if not percentiles:
        return ()
    values = np.percentile(times, percentiles, method="inverted_cdf")
    return tuple(zip(percentiles, values.tolist(), strict=True))


def recorded_curve(record: Record) -> tuple[tuple[float, float], ...]:
    """Return the percentiles that a record holds."""
    known = ((percent, getattr(record, name)) for percent, name in FIELDS.items())
    return tuple((percent, value) for percent, value in known if value is not None)


def nines(percentile: float) -> float:
    """Return the place of a percentile on an axis that is even in the share beyond it.

    >>> [round(nines(one), 3) for one in (50, 90, 99, 99.9)]
    [0.301, 1.0, 2.0, 3.0]
    """
    return -math.log10(1 - percentile / 100)


@cache
def _grid() -> tuple[float, ...]:
    even = np.linspace(nines(1.0), nines(MOST), N_STEPS)
    grid = {round(100 * (1 - 10**-one), 4) for one in even} | set(FIELDS)
    return tuple(sorted(grid))


@cache
def _least(percentile: float) -> int:
    return minimum_samples(percentile)

"""The highest rate a server sustains: bisection over offered rates, every step kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.stats import minimum_samples

MAX_STEPS = 10  # without a rate that is sustained, or without one that is not
PRECISION = 0.05  # bisection ends when the rates on both sides of the answer are this close
GROWTH = 1.25  # from a rate that is sustained to the next one, while none is known to be too high
SUSTAINED = 0.95  # a step must answer this share of the rate at which its queries arrived
STEP_QUERIES = minimum_samples(99)


@dataclass(frozen=True, slots=True)
class Step:
    """One offered rate: the point of the curve, and whether p99 and rate were held."""

    point: Mapping[str, float]
    sustained: bool


@dataclass(frozen=True, slots=True)
class MaxRate:
    """The highest offered rate that was sustained, 0.0 when none was; the steps by rate."""

    rate: float
    curve: tuple[Mapping[str, float], ...]


def find_max_rate(probe: Callable[[float], Step], capacity: float) -> MaxRate:
    """Return the highest rate that ``probe`` finds sustained, within `PRECISION`.

    Parameters
    ----------
    probe : offers a rate, queries a second, and says what became of it.
    capacity : the rate of the closed loop, where the search starts. A step above it can look
        sustained only while it is short.

    Notes
    -----
    Without a rate that is sustained, each step halves: the lowest tried is capacity / 512. Once
    there is one and one that is not, bisection goes on until they are close.
    """
    points: list[Mapping[str, float]] = []
    low, high = 0.0, None
    rate = capacity
    while True:
        step = probe(rate)
        points.append(step.point)
        if step.sustained:
            low = rate
        else:
            high = rate
        is_bracketed = low > 0 and high is not None
        if not is_bracketed and len(points) == MAX_STEPS:
            break
        if high is not None and high - low <= PRECISION * high:
            break
        rate = low * GROWTH if high is None else (low + high) / 2
    return MaxRate(low, tuple(sorted(points, key=lambda point: point["offered_qps"])))

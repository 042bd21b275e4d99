"""Statistics: percentiles, bootstrap intervals, paired and unpaired tests, rounding for print.

Numbers in, numbers out; nothing here knows what was measured.
"""

import math

import numpy as np
import numpy.typing as npt

FloatValues = npt.NDArray[np.floating]
BLOCK = 1_000_000  # random numbers held at once: 8 MB of indices

CONFIDENCE = 0.99  # of the smallest sample for a percentile, as in MLPerf inference


def bootstrap_interval(
    values: FloatValues, *, level: float = 0.95, n_resamples: int = 1000, seed: int
) -> tuple[float, float]:
    """Return the percentile-bootstrap interval of the mean of ``values``, float (n,).

    Raises
    ------
    ValueError
        No values, or one that is not finite.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    samples = _finite(values)
    if samples[0] == samples.max() == samples.min():
        return float(samples[0]), float(samples[0])
    random = np.random.default_rng(seed)
    n, block = samples.size, max(1, BLOCK // samples.size)
    means = np.concatenate(
        [
            samples[random.integers(n, size=(min(block, n_resamples - done), n))].mean(axis=1)
            for done in range(0, n_resamples, block)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def minimum_samples(percentile: float) -> int:
    """Return how many samples a percentile needs at 99 % confidence: p90 64, p99 662.

    It is the smallest n for which at most one of n samples lies above the true percentile with a
    probability of at most 1 %. For p50 the same rule gives 11.

    Raises
    ------
    ValueError
        A percentile that is not between 0 and 100.

    References
    ----------
    MLPerf inference rules, appendix "Early stopping": one query over the bound is allowed.

    >>> [minimum_samples(p) for p in (50, 90, 95, 97, 99, 99.9)]
    [11, 64, 130, 219, 662, 6636]
    """
    if not 0 < percentile < 100:
        raise ValueError(f"percentile {percentile!r} must lie between 0 and 100")
    below = percentile / 100
    low, high = 1, 2
    while _at_most_one_above(high, below) > 1 - CONFIDENCE:
        low, high = high, 2 * high
    while high - low > 1:  # too few at low, enough at high
        middle = (low + high) // 2
        if _at_most_one_above(middle, below) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def percentile_or_none(samples: FloatValues, percentile: float) -> float | None:
    """Return a percentile of the samples, or None where they are too few for it.

    It is the smallest sample that at least ``percentile`` % of all samples do not exceed: one that
    was observed, never an interpolation.
    """
    if samples.size < minimum_samples(percentile):
        return None
    return float(np.percentile(samples, percentile, method="inverted_cdf"))


def decimals(interval: tuple[float, float]) -> int:
    """Return the decimals worth printing: two significant digits of half the interval's width.

    Raises
    ------
    ValueError
        The interval has no width, so nothing tells which digits mean something.

    >>> decimals((0.1543, 0.1598)), decimals((1200.0, 1800.0))
    (4, -1)
    """
    half = (interval[1] - interval[0]) / 2
    if not (half > 0 and math.isfinite(half)):
        raise ValueError(f"interval {interval} has no width to round by")
    return 1 - math.floor(math.log10(half))


def significant(value: float, interval: tuple[float, float]) -> float:
    """Return the value rounded where its interval says that digits stop to mean something.

    >>> significant(0.157012, (0.1543, 0.1598))
    0.157
    """
    return value if interval[0] == interval[1] else round(value, decimals(interval))


def format_with_interval(value: float, interval: tuple[float, float]) -> str:
    """Return a value with the larger of the distances to its bounds, both to the same digit.

    >>> format_with_interval(0.157012, (0.1543, 0.1598))
    '0.1570 ±0.0028'
    >>> format_with_interval(1503.2, (1200.0, 1800.0))
    '1500 ±300'
    """
    spread = max(interval[1] - value, value - interval[0])
    if interval[0] == interval[1]:
        return f"{value:.4g}"
    places = decimals(interval)
    shown = max(places, 0)
    return f"{round(value, places):.{shown}f} ±{round(spread, places):.{shown}f}"


def sign_flip_test(
    first: FloatValues, second: FloatValues, *, n_flips: int = 10_000, seed: int
) -> float:
    """Return the two-sided p-value that paired values differ in mean, by random sign flips.

    ``p = (b + 1) / (n_flips + 1)``, b the flips whose absolute mean difference is at least the
    one observed. Queries that score the same on both sides take no part.

    Raises
    ------
    ValueError
        Different lengths, no values, or one that is not finite.

    References
    ----------
    Smucker, Allan and Carterette, CIKM 2007 (the randomization test).
    """
    if first.shape != second.shape:
        raise ValueError(f"paired values have shapes {first.shape} and {second.shape}")
    differences = _finite(first) - _finite(second)
    differences = differences[differences != 0]
    if differences.size == 0:
        return 1.0
    random = np.random.default_rng(seed)
    observed = abs(differences.sum())
    slack = 1e-12 * np.abs(differences).sum()  # the same sum in another order is the same sum
    block, as_extreme = max(1, BLOCK // differences.size), 0
    for done in range(0, n_flips, block):
        shape = (min(block, n_flips - done), differences.size)
        positive = random.integers(2, size=shape, dtype=np.int8)  # 0 or 1, flips and values
        sums = 2 * (positive.astype(np.float64) @ differences) - differences.sum()
        as_extreme += int((np.abs(sums) >= observed - slack).sum())
    return (as_extreme + 1) / (n_flips + 1)


def mann_whitney(first: FloatValues, second: FloatValues) -> float:
    """Return the two-sided p-value that one of two independent samples tends to be larger.

    The normal approximation with correction for ties and continuity, fit for samples of 8 and up.

    Raises
    ------
    ValueError
        No values, or one that is not finite.

    References
    ----------
    Mann and Whitney, Annals of Mathematical Statistics 18(1), 1947.
    """
    a, b = _finite(first), _finite(second)
    _, group, counts = np.unique(np.concatenate((a, b)), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]  # equal values share their mean rank
    n = a.size + b.size
    larger = ranks[: a.size].sum() - a.size * (a.size + 1) / 2  # pairs in which first is larger
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    variance = a.size * b.size / 12 * (n + 1 - ties / (n * (n - 1)))
    if variance <= 0:
        return 1.0
    distance = max(abs(larger - a.size * b.size / 2) - 0.5, 0.0)
    return math.erfc(distance / math.sqrt(2 * variance))


def _at_most_one_above(n: int, below: float) -> float:
    """Return the probability that at most one of n samples is above a bound that 'below' miss."""
    return float(below**n + n * (1 - below) * below ** (n - 1))


def _finite(values: FloatValues) -> npt.NDArray[np.float64]:
    samples = np.asarray(values, dtype=np.float64).ravel()
    if samples.size == 0:
        raise ValueError("no values")
    if not np.isfinite(samples).all():
        raise ValueError(f"{int((~np.isfinite(samples)).sum())} of {samples.size} are not finite")
    return samples

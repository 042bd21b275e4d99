"""Paired differences of many cells at once: interval, test, family-wise correction, power.

A cell is the comparison of two operating points by one metric: a difference for each query.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Values = npt.NDArray[np.float64]
BLOCK = 2_000_000  # random numbers held at once: 16 MB
N_FLIPS = 10_000
N_RESAMPLES = 2_000
LEVEL = 0.95
ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What the differences of one cell say.

    Attributes
    ----------
    n : queries.
    difference : mean difference.
    low, high : 95 % percentile-bootstrap interval of the mean over queries.
    p : two-sided, by random sign flips.
    wins, ties, losses : queries with a difference above, at and below 0.
    detectable : difference of means that one test at 5 % finds with 80 % power; None below 2
        queries.
    """

    n: int
    difference: float
    low: float
    high: float
    p: float
    wins: int
    ties: int
    losses: int
    detectable: float | None


def compare_paired(cells: Sequence[Values], *, seed: int) -> list[Paired]:
    """Return the statistics of each cell, given its differences by query, float64 (n,).

    Cells of the same n share sign flips and resamples, so that each is one matrix product.

    Raises
    ------
    ValueError
        A cell without values, or with one that is not finite.
    """
    for number, cell in enumerate(cells):
        if cell.ndim != 1 or cell.size == 0 or not np.isfinite(cell).all():
            raise ValueError(f"cell {number}: expected finite differences (n,), got {cell}")
    by_size: dict[int, list[int]] = {}
    for number, cell in enumerate(cells):
        by_size.setdefault(cell.size, []).append(number)
    results: dict[int, Paired] = {}
    for numbers in by_size.values():
        matrix = np.stack([cells[one] for one in numbers])  # (cells, n)
        p_values = sign_flip_p(matrix, seed=seed)
        lows, highs = bootstrap_bounds(matrix, seed=seed)
        for row, number in enumerate(numbers):
            interval = (float(lows[row]), float(highs[row]))
            results[number] = _paired(matrix[row], float(p_values[row]), interval)
    return [results[number] for number in range(len(cells))]


def sign_flip_p(differences: Values, *, n_flips: int = N_FLIPS, seed: int) -> Values:
    """Return two-sided p-values that the mean of each row is not 0, by random sign flips.

    ``p = (b + 1) / (n_flips + 1)``, b the flips whose absolute sum is at least the one observed.
    Where b is 0, Hoeffding's bound ``2 exp(-t^2 / (2 sum d^2))`` stands if it is smaller: it is
    never below the exact p-value, so that a family of many cells is not limited by the number of
    flips, and no level is exceeded. Sums of few steps, as recall gives them, tie with the observed
    one, and the level that the test attains lies a little below the nominal one.

    Parameters
    ----------
    differences : float64 (cells, n); all rows are flipped by the same signs.

    Raises
    ------
    ValueError
        A difference that is not finite: no comparison with NaN is ever true.

    References
    ----------
    Smucker, Allan and Carterette, CIKM 2007; Hoeffding, JASA 58(301), 1963, theorem 2.
    """
    _refuse_unknown(differences)
    observed = np.abs(differences.sum(axis=1))
    # The same sum in another order is the same sum.
    least = observed - 1e-12 * np.abs(differences).sum(axis=1)
    random = np.random.default_rng(seed)
    n = differences.shape[1]
    block, as_extreme = max(1, BLOCK // n), np.zeros(len(differences), np.int64)
    for done in range(0, n_flips, block):
        shape = (min(block, n_flips - done), n)
        signs = random.integers(2, size=shape, dtype=np.int8).astype(np.float64) * 2 - 1
        as_extreme += (np.abs(signs @ differences.T) >= least).sum(axis=0)
    p_values = (as_extreme + 1) / (n_flips + 1)
    squares = (differences**2).sum(axis=1)
    exponents = np.divide(observed**2, 2 * squares, out=np.zeros_like(squares), where=squares > 0)
    bounds = 2 * np.exp(-exponents)
    return np.where(as_extreme == 0, np.minimum(p_values, bounds), p_values)


def bootstrap_bounds(
    differences: Values, *, n_resamples: int = N_RESAMPLES, seed: int
) -> tuple[Values, Values]:
    """Return the bounds of the 95 % percentile-bootstrap interval of each row's mean, (cells,).

    Parameters
    ----------
    differences : float64 (cells, n); all rows are resampled by the same queries.

    Raises
    ------
    ValueError
        A difference that is not finite.
    """
    _refuse_unknown(differences)
    random = np.random.default_rng(seed)
    n = differences.shape[1]
    block, means = max(1, BLOCK // n), []
    for done in range(0, n_resamples, block):
        rows = min(block, n_resamples - done)
        drawn = random.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        means.append(counts.astype(np.float64) @ differences.T / n)
    spread = np.concatenate(means)
    low, high = np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for the whole family, by Holm's step-down rule.

    References
    ----------
    Holm, Scandinavian Journal of Statistics 6(2), 1979.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, most = [0.0] * len(order), 0.0
    for place, number in enumerate(order):
        most = max(most, min(1.0, (len(order) - place) * p_values[number]))
        adjusted[number] = most
    return adjusted


def detectable_change(deviation: float, n: int) -> float:
    """Return the difference of means that a test at 5 % finds with 80 % power.

    ``(z_0.975 + z_0.8) s / sqrt(n)``, s the standard deviation of the differences.

    >>> round(detectable_change(0.2, 1_000), 4), round(detectable_change(0.2, 10_000), 4)
    (0.0177, 0.0056)
    """
    factor = special.ndtri(1 - ALPHA / 2) + special.ndtri(POWER)
    return float(factor) * deviation / math.sqrt(n)


def power_of(change: float, deviation: float, n: int) -> float:
    """Return the chance that a two-sided test at 5 % finds a difference of means.

    >>> round(power_of(detectable_change(0.2, 400), 0.2, 400), 3), round(power_of(0, 0.2, 400), 3)
    (0.8, 0.05)
    """
    bound, shift = float(special.ndtri(1 - ALPHA / 2)), abs(change) * math.sqrt(n) / deviation
    return float(special.ndtr(shift - bound) + special.ndtr(-shift - bound))


def _refuse_unknown(differences: Values) -> None:
    n_unknown = int((~np.isfinite(differences)).sum())
    if n_unknown:
        raise ValueError(f"{n_unknown} of {differences.size} differences are not finite")


def _paired(values: Values, p: float, interval: tuple[float, float]) -> Paired:
    n = values.size
    counts: Mapping[int, int] = {sign: int((np.sign(values) == sign).sum()) for sign in (1, 0, -1)}
    return Paired(
        n=n,
        difference=float(values.mean()),
        low=interval[0],
        high=interval[1],
        p=p,
        wins=counts[1],
        ties=counts[0],
        losses=counts[-1],
        detectable=detectable_change(float(values.std(ddof=1)), n) if n > 1 else None,
    )

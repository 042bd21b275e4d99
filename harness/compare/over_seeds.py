"""What seeds say of a difference: another seed is another training, not another question.

An interval over queries holds for the models as they were trained. Whether the methods differ, and
not these trainings of them, is a question to the seeds. Resampling three seeds with replacement
underestimates their variance by a third and has ten distinct outcomes, so a bootstrap of seeds and
queries together does not keep its level; Student's t over the differences by seed does, whatever
their number, where these are about normal. So a comparison of several seeds carries both: the
interval over queries and that over seeds. It is sure only where both are, which is an
intersection-union test: its p-value is the larger of the two, and its level that of either.

The same holds of the change that a comparison can find: what two tests must both find is larger
than what one of them does.

References
----------
Berger, Technometrics 24(4), 1982 (intersection-union tests). Bouthillier et al., MLSys 2021
(variance of training belongs to the comparison of learning methods).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from scipy import optimize, special

from harness.compare.paired import ALPHA, LEVEL, POWER, Values, detectable_change

_Z: Final = float(special.ndtri(1 - ALPHA / 2))
N_DRAWS = 64  # quantiles of the SD that a few seeds may show; 5,000 give the same to 0.05 %


@dataclass(frozen=True, slots=True, kw_only=True)
class OverSeeds:
    """What the differences of two or more seeds say.

    Attributes
    ----------
    n : seeds.
    sd : standard deviation of the difference over seeds.
    low, high : 95 % interval of the mean difference, by Student's t with n - 1 degrees of freedom.
    p : two-sided, of the paired t-test over seeds.
    """

    n: int
    sd: float
    low: float
    high: float
    p: float


def over_seeds(differences: Sequence[float]) -> OverSeeds | None:
    """Return what the differences by seed say, None below two; equal ones leave no doubt.

    >>> one = over_seeds([0.1, 0.2, 0.3])
    >>> round(one.low, 4), round(one.high, 4), round(one.p, 4)
    (-0.0484, 0.4484, 0.0742)
    """
    n = len(differences)
    if n < 2:
        return None
    mean, sd = statistics.fmean(differences), statistics.stdev(differences)
    error = sd / math.sqrt(n)
    if error == 0:
        return OverSeeds(n=n, sd=0.0, low=mean, high=mean, p=float(mean == 0))
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * error
    p = 2 * float(special.stdtr(n - 1, -abs(mean) / error))
    return OverSeeds(n=n, sd=sd, low=mean - half, high=mean + half, p=p)


def joint_p(over_queries: float, seeds: OverSeeds | None) -> float:
    """Return the p-value that a difference is neither of these queries nor of these seeds.

    >>> joint_p(0.01, None), joint_p(0.01, over_seeds([1.0, -1.0]))
    (0.01, 1.0)
    """
    return over_queries if seeds is None else max(over_queries, seeds.p)


def joint_power(
    change: float, by_query: float, by_seed: float, n: int, *, own: float = 0.0
) -> float:
    """Return the chance that queries and seeds both find a difference of means, at 5 % each.

    The mean over n seeds is found where it exceeds ``z by_query`` and ``t s / sqrt(n)``; s is what
    these seeds show of ``by_seed``, and its square follows chi-square. With ``by_query`` 0 it is
    the power of the t-test, by the noncentral t.

    Parameters
    ----------
    by_query : standard error of the mean over queries.
    by_seed : standard deviation of the mean over seeds.
    own : the part of ``by_seed`` that comes from each seed's own answers to these queries, which
        ``by_query`` holds too.

    >>> round(joint_power(0.03, 1e-9, 0.01, 3), 2), round(joint_power(0.0083, 0.003, 1e-9, 3), 2)
    (0.75, 0.79)
    """
    bound = np.maximum(_Z * by_query, by_seed * _bounds_of_one(n))
    spread = math.sqrt(by_query**2 + max(0.0, by_seed**2 - own**2) / n)
    found = special.ndtr((change - bound) / spread) + special.ndtr((-change - bound) / spread)
    return float(found.mean())


@cache
def _bounds_of_one(n: int) -> Values:
    """Return what the mean over n seeds must exceed where ``by_seed`` is 1, at its quantiles."""
    tails = (np.arange(N_DRAWS) + 0.5) / N_DRAWS
    shown = np.sqrt(special.chdtri(n - 1, tails) / (n - 1))  # of n - 1 degrees of freedom
    return np.asarray(special.stdtrit(n - 1, 1 - ALPHA / 2) * shown / math.sqrt(n))


def detectable_over_seeds(by_query: float, by_seed: float, n: int, *, own: float = 0.0) -> float:
    """Return the difference that queries and n seeds both find with 80 % power; see `joint_power`.

    >>> one = detectable_over_seeds(0.003, 0.008, 3)
    >>> round(one, 3), round(joint_power(one, 0.003, 0.008, 3), 3)
    (0.026, 0.8)
    """
    least = detectable_change(by_query, 1)
    if by_seed == 0:
        return least

    def lacking(change: float) -> float:
        return joint_power(change, by_query, by_seed, n, own=own) - POWER

    low, high = 0.0, least + 2 * by_seed
    while lacking(high) < 0:
        low, high = high, 2 * high
    return float(optimize.brentq(lacking, low, high, rtol=1e-4))


def own_answers(by_seed: Values) -> float:
    """Return the standard deviation of a seed's mean by its own answers, float64 (seeds, n).

    What is left where seeds and queries are taken off, as in an analysis of variance of two ways.
    """
    left = by_seed - by_seed.mean(axis=0) - by_seed.mean(axis=1, keepdims=True) + by_seed.mean()
    seeds, n = by_seed.shape
    return math.sqrt(float((left**2).sum()) / ((seeds - 1) * (n - 1)) / n)

"""What seeds say of a difference: another seed is another training, not another question.

An interval over queries holds for the models as they were trained. Whether the methods differ, and
not these trainings of them, is a question to the seeds. Resampling three seeds with replacement
underestimates their variance by a third and has ten distinct outcomes, so a bootstrap of seeds and
queries together does not keep its level; Student's t over the differences by seed does, whatever
their number, where these are about normal. So a comparison of several seeds carries both: the
interval over queries and that over seeds. It is sure only where both are, which is an
intersection-union test: its p-value is the larger of the two, and its level that of either.

References
----------
Berger, Technometrics 24(4), 1982 (intersection-union tests). Bouthillier et al., MLSys 2021
(variance of training belongs to the comparison of learning methods).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from harness.compare.paired import LEVEL


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

"""Lane 3: speed, as a ratio of two revisions that took turns on one machine within one run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from harness.compare.noise import aa_spread
from harness.compare.paired import LEVEL, POWER, sign_flip_p
from harness.gate.verdict import Verdict

LEAST_CHANGE = 0.05  # a slowdown below this is not looked for
MOST_NOISE = 0.10  # where noise alone hides such a change, nothing can be said
ALPHA = 0.01
N_SIGMA = 3.0
FEWEST_PAIRS, FEWEST_AA = 10, 5
SEED = 20077
FEW = 12  # pairs of which every flip of signs is looked at

Pairs = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What pairs of times say of one benchmark.

    Attributes
    ----------
    ratio, low, high : of the seconds of head over base, with a 95 % interval; above 1 is slower.
    p : two-sided, by sign flips of the logarithms.
    sigma : of A/A pairs, as a logarithm.
    threshold : change of the ratio that must be exceeded.
    detectable : change of the ratio that would be found with a chance of 80 %.
    n_pairs, n_aa : pairs that it rests on.
    verdict : unchanged says that a slowdown of more than `MOST_NOISE` is ruled out.
    """

    ratio: float
    low: float
    high: float
    p: float
    sigma: float
    threshold: float
    detectable: float
    n_pairs: int
    n_aa: int
    verdict: Verdict

    def __str__(self) -> str:
        """Return the numbers in a line."""
        return (
            f"{self.ratio:.3f} times the seconds [{self.low:.3f}, {self.high:.3f}], "
            f"p {self.p:.2g}, A/A ±{math.expm1(self.sigma):.1%}, threshold {self.threshold:+.1%}, "
            f"detectable {self.detectable:+.1%}, {self.n_pairs} pairs"
        )


def judge(pairs: Pairs, aa: Pairs) -> Speed:
    """Return the verdict of pairs (base, head) and of A/A pairs, seconds, (n, 2) and (m, 2).

    The mean of log(head / base) has Student's interval. A change has happened where the interval
    lies beyond the larger of 5 % and 3 sigma_AA / sqrt(n), and p < 1 %. Where it has not, a
    slowdown of 10 % must lie outside the interval for "unchanged"; else nothing can be said.

    Raises
    ------
    ValueError
        Fewer than 2 pairs of either kind; a time that is not finite and above 0.
    """
    if len(pairs) < 2:
        raise ValueError(f"{len(pairs)} pairs; expected at least 2")
    sigma = aa_spread(aa[:, 0], aa[:, 1]).sigma
    aa_spread(pairs[:, 0], pairs[:, 1])  # that the times are times
    logs = np.log(pairs[:, 1] / pairs[:, 0])
    n, mean = len(logs), float(logs.mean())
    error = float(logs.std(ddof=1)) / math.sqrt(n)
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * error
    bound = max(math.log1p(LEAST_CHANGE), N_SIGMA * sigma / math.sqrt(n))
    p = _sign_flips(logs)
    found = Verdict.INCONCLUSIVE
    if p < ALPHA and mean - half > bound:
        found = Verdict.REGRESSED
    elif p < ALPHA and mean + half < -bound:
        found = Verdict.IMPROVED
    elif max(mean + half, bound) < math.log1p(MOST_NOISE):
        found = Verdict.UNCHANGED
    return Speed(
        ratio=math.exp(mean),
        low=math.exp(mean - half),
        high=math.exp(mean + half),
        p=p,
        sigma=sigma,
        threshold=math.expm1(bound),
        detectable=math.expm1(bound + half + float(special.ndtri(POWER)) * error),
        n_pairs=n,
        n_aa=len(aa),
        verdict=found,
    )


def _sign_flips(logs: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p-value that the mean is not 0: over all sign flips where they are few.

    The share of the 2^n flips, the one observed among them, whose absolute sum is as large.
    """
    n = len(logs)
    if n > FEW:
        return float(sign_flip_p(logs[None, :], seed=SEED)[0])
    signs = 1.0 - 2.0 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1)  # (2^n, n)
    least = abs(logs.sum()) - 1e-12 * np.abs(logs).sum()
    return float((np.abs(signs @ logs) >= least).mean())


def confirmed(first: Speed, again: Speed) -> Verdict:
    """Return what a change that was found comes to when it was looked for once more."""
    return first.verdict if again.verdict is first.verdict else Verdict.INCONCLUSIVE


def turns(n_pairs: int, n_aa: int) -> list[str]:
    """Return the order of processes: pairs AB and BA by turns, A/A pairs spread between them.

    >>> turns(4, 2)
    ['AB', 'BA', 'AA', 'AB', 'BA', 'AA']
    """
    order: list[str] = []
    for number in range(n_pairs):
        order.append("AB" if number % 2 == 0 else "BA")
        due = (number + 1) * n_aa // n_pairs - number * n_aa // n_pairs
        order += ["AA"] * due
    return order


def pairs_of(order: Sequence[str], seconds: Sequence[tuple[float, float]]) -> tuple[Pairs, Pairs]:
    """Return the pairs (base, head) and the A/A pairs of what was measured in that order."""
    aa = [pair for turn, pair in zip(order, seconds, strict=True) if turn == "AA"]
    ab = [
        pair if turn == "AB" else (pair[1], pair[0])
        for turn, pair in zip(order, seconds, strict=True)
        if turn != "AA"
    ]
    return np.array(ab).reshape(-1, 2), np.array(aa).reshape(-1, 2)

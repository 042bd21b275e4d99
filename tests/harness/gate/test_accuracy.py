"""Lane 2: a planted loss is found, noise is not, and what a machine may change is allowed for."""

import numpy as np

from harness.gate.accuracy import compare_accuracy
from harness.gate.verdict import Verdict

HERE = {"instructions": "avx2 fma", "numpy": "2.4.6"}
ELSEWHERE = {**HERE, "instructions": "avx2 avx512f fma"}
N = 2000


def values(seed=0):
    return np.random.default_rng(seed).beta(1, 2, N)


def with_loss(base, loss, share=0.05):
    """Take from a share of the queries what makes ``loss`` of the mean."""
    found = base.copy()
    rows = np.random.default_rng(1).choice(N, int(share * N), replace=False)
    found[rows] -= loss / share
    return found


def judged(baseline, taken, machine=HERE):
    return [one.verdict for one in compare_accuracy(baseline, [taken], machine)]


def test_no_difference_is_the_same(taken_of, baseline_of):
    """Every query scores as before."""
    baseline = baseline_of(taken_of("a", values()))
    assert judged(baseline, taken_of("a", values())) == [Verdict.SAME]


def test_half_a_point_is_a_regression(taken_of, baseline_of):
    """A loss of 0.5 point in 5 % of 2,000 queries; the same gain is a warning."""
    baseline = baseline_of(taken_of("a", values()))
    for loss, verdict in ((0.005, Verdict.REGRESSED), (-0.005, Verdict.WARNING)):
        other = taken_of("a", with_loss(values(), loss), lists="b" * 64)
        assert judged(baseline, other) == [verdict]


def test_a_clear_loss_too_small_to_matter_warns(taken_of, baseline_of):
    """0.1 point, in every query alike: the interval speaks, the size does not."""
    baseline = baseline_of(taken_of("a", values()))
    other = taken_of("a", values() - 0.001, lists="b" * 64)
    assert judged(baseline, other) == [Verdict.WARNING]


def test_the_same_lists_cannot_score_otherwise(taken_of, baseline_of):
    """Then the metric has changed, be it for the better."""
    baseline = baseline_of(taken_of("a", values()))
    assert judged(baseline, taken_of("a", values() + 1e-9)) == [Verdict.REGRESSED]


def test_noise_is_rarely_called_a_regression(taken_of, baseline_of):
    """Of 60 families of 5 points without a true difference few have a regression.

    Differences have a standard deviation of 0.2, so that losses of 0.2 point happen by chance. The
    chance of a false one in a family is 2.5 %: 1.5 expected, more than 5 in 0.4 % of such tests.
    """
    random = np.random.default_rng(0)
    names, alarms = "abcde", 0
    baseline = baseline_of(*(taken_of(name, np.zeros(200)) for name in names))
    for _ in range(60):
        others = [taken_of(one, random.normal(0, 0.2, 200), lists="b" * 64) for one in names]
        found = [one.verdict for one in compare_accuracy(baseline, others, HERE)]
        alarms += Verdict.REGRESSED in found
    assert alarms <= 5


def test_elsewhere_trainings_may_differ(taken_of, baseline_of, spread):
    """5 seeds with an SD of 0.004 allow for 2.776 * sqrt(2) * 0.004 = 0.0157, not for 0.02.

    An exact point is allowed nothing, and neither is the baseline's own machine.
    """
    base = taken_of("a", values(), exact=False)
    baseline = baseline_of(base, spreads={"a": spread})
    small = taken_of("a", with_loss(values(), 0.010), exact=False, lists="b" * 64)
    large = taken_of("a", with_loss(values(), 0.020), exact=False, lists="b" * 64)
    assert judged(baseline, small, ELSEWHERE) == [Verdict.UNCHANGED]
    assert judged(baseline, large, ELSEWHERE) == [Verdict.REGRESSED]
    assert judged(baseline, small, HERE) == [Verdict.REGRESSED]
    exact = baseline_of(taken_of("a", values()))
    assert judged(exact, small, ELSEWHERE) == [Verdict.REGRESSED]


def test_without_other_seeds_nothing_can_be_said_elsewhere(taken_of, baseline_of):
    """A learned point whose seeds nobody ran is inconclusive on another machine."""
    baseline = baseline_of(taken_of("a", values(), exact=False))
    other = taken_of("a", with_loss(values(), 0.01), exact=False, lists="b" * 64)
    assert judged(baseline, other, ELSEWHERE) == [Verdict.INCONCLUSIVE]


def test_other_queries_are_inconclusive(taken_of, baseline_of):
    """Pairs need the same queries."""
    baseline = baseline_of(taken_of("a", values()))
    assert judged(baseline, taken_of("a", values()[:-1])) == [Verdict.INCONCLUSIVE]

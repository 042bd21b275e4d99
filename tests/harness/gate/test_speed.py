"""Lane 3's arithmetic: a planted step is found, noise is not, and too much of it is said."""

import numpy as np
import pytest

from harness.gate.speed import confirmed, judge, pairs_of, turns
from harness.gate.verdict import Verdict


def drawn(random, ratio, noise, n=10):
    """Return pairs of times about 1 and ``ratio``; log-normal noise of each."""
    return np.exp(random.normal(0, noise, (n, 2))) * np.array([1.0, ratio])


def verdicts(ratio, noise, runs):
    random = np.random.default_rng(0)
    return [judge(drawn(random, ratio, noise), drawn(random, 1, noise, 5)) for _ in range(runs)]


def test_a_planted_step_is_found():
    """15 % slower or faster with 2 % of noise: found in at least 99 of 100 runs of 10 pairs."""
    assert sum(one.verdict is Verdict.REGRESSED for one in verdicts(1.15, 0.02, 100)) >= 99
    assert sum(one.verdict is Verdict.IMPROVED for one in verdicts(1 / 1.15, 0.02, 100)) >= 99


@pytest.mark.parametrize("noise", [0.005, 0.03, 0.2])
def test_nothing_is_found_in_noise(noise):
    """Of 500 runs without a change none is called one, whatever the noise."""
    found = [one.verdict for one in verdicts(1.0, noise, 500)]
    assert not {Verdict.REGRESSED, Verdict.IMPROVED} & set(found)


def test_noise_that_hides_a_change_is_inconclusive():
    """With 20 % of noise nothing is unchanged; with 0.5 % all is."""
    assert {one.verdict for one in verdicts(1.0, 0.2, 50)} == {Verdict.INCONCLUSIVE}
    assert {one.verdict for one in verdicts(1.0, 0.005, 50)} == {Verdict.UNCHANGED}


def test_the_detectable_change_is_detected():
    """A step of the size printed is found in 8 of 10 runs; of 400, 80 % give or take 10."""
    typical = float(np.median([one.detectable for one in verdicts(1.0, 0.03, 200)]))
    found = [one.verdict is Verdict.REGRESSED for one in verdicts(1 + typical, 0.03, 400)]
    assert 0.7 <= np.mean(found) <= 0.9


def test_pairs_by_hand():
    """Ten pairs of exactly 1.1: ratio 1.1, p 2 / 1024, threshold 5 %, nothing uncertain."""
    found = judge(np.tile([1.0, 1.1], (10, 1)), np.ones((5, 2)))
    assert found.ratio == pytest.approx(1.1)
    assert found.threshold == pytest.approx(0.05)
    assert found.p == 2 / 1024
    assert found.verdict is Verdict.REGRESSED
    assert confirmed(found, judge(np.ones((10, 2)), np.ones((5, 2)))) is Verdict.INCONCLUSIVE
    assert confirmed(found, found) is Verdict.REGRESSED


def test_turns_are_balanced():
    """AB and BA as often, A/A pairs as many as asked for, wherever they stand."""
    for n_pairs, n_aa in ((10, 5), (10, 7), (4, 9)):
        order = turns(n_pairs, n_aa)
        counts = [order.count(one) for one in ("AB", "BA", "AA")]
        assert counts == [n_pairs // 2, n_pairs // 2, n_aa]
    pairs, aa = pairs_of(["AB", "BA", "AA"], [(1.0, 2.0), (4.0, 3.0), (5.0, 6.0)])
    assert pairs.tolist() == [[1, 2], [3, 4]]
    assert aa.tolist() == [[5, 6]]

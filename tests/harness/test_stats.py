"""Statistics against values worked by hand and against simulation."""

import itertools
import math

import numpy as np
import pytest

from harness.stats import (
    bootstrap_interval,
    decimals,
    format_with_interval,
    mann_whitney,
    minimum_samples,
    percentile_or_none,
    sign_flip_test,
    significant,
)


@pytest.mark.parametrize(
    ("percentile", "n"), [(50, 11), (90, 64), (95, 130), (97, 219), (99, 662), (99.9, 6636)]
)
def test_minimum_samples_are_those_of_loadgen(percentile, n):
    """The smallest samples of MLPerf's early stopping at 99 % confidence; p50 by the same rule."""
    assert minimum_samples(percentile) == n


def test_minimum_of_the_median_by_hand():
    """At most one of n above the median: (1 + n) / 2^n is 11/1024 at 10, 12/2048 < 1 % at 11."""
    assert 11 / 1024 > 0.01 > 12 / 2048
    assert minimum_samples(50) == 11


@pytest.mark.parametrize("percentile", [0, 100, -1, 101])
def test_a_percentile_outside_the_open_range_is_refused(percentile):
    """0 and 100 are no percentiles that samples can bound."""
    with pytest.raises(ValueError, match="between 0 and 100"):
        minimum_samples(percentile)


def test_percentile_is_an_observed_sample_or_nothing():
    """Of 1..64, 90 % is reached at the 58th (57.6 rounded up); 63 samples are too few."""
    samples = np.random.default_rng(0).permutation(np.arange(1.0, 65.0))
    assert percentile_or_none(samples, 90) == 58.0
    assert percentile_or_none(samples[:63], 90) is None
    assert percentile_or_none(samples, 50) == 32.0


def test_bootstrap_interval_is_the_normal_one_for_many_values():
    """For 2,000 values the interval is mean ± 1.96 s / sqrt(n), to a tenth of its width."""
    values = np.random.default_rng(3).random(2000)
    low, high = bootstrap_interval(values, seed=1, n_resamples=4000)
    half = 1.96 * values.std() / math.sqrt(2000)
    assert low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.2 * half)


def test_bootstrap_interval_of_two_values_by_hand():
    """Means of resamples of (0, 1) are 0, 1/2, 1 with chances 1/4, 1/2, 1/4: 95 % spans all."""
    assert bootstrap_interval(np.array([0.0, 1.0]), seed=0) == (0.0, 1.0)
    assert bootstrap_interval(np.array([0.0, 1.0]), seed=0, level=0.4) == (0.5, 0.5)


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says():
    """Of 400 intervals at 80 %, 80 % hold the true mean, within four binomial deviations."""
    random = np.random.default_rng(5)
    held = 0
    for seed in range(400):
        low, high = bootstrap_interval(random.normal(size=100), seed=seed, level=0.8)
        held += low <= 0 <= high
    assert abs(held / 400 - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 400)


def test_bootstrap_interval_depends_on_the_seed_alone():
    """The same seed repeats it, also across block sizes, another seed moves it."""
    values = np.random.default_rng(0).random(50)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values.copy(), seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_a_constant_has_an_interval_without_width():
    """Nothing varies, so the interval is the value."""
    assert bootstrap_interval(np.full(5, 0.3), seed=0) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("values", "message"), [([], "no values"), ([1.0, np.nan], "1 of 2 are not finite")]
)
def test_values_that_have_no_mean_are_refused(values, message):
    """Nothing, NaN and infinity are faults of the caller."""
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(np.array(values), seed=0)


def test_rounding_keeps_two_digits_of_the_half_width():
    """Half of .1543 to .1598 is .00275: two digits end at the fourth decimal."""
    assert decimals((0.1543, 0.1598)) == 4
    assert significant(0.157012, (0.1543, 0.1598)) == 0.157
    assert format_with_interval(0.157012, (0.1543, 0.1598)) == "0.1570 ±0.0028"


def test_rounding_left_of_the_point_and_without_width():
    """Half of 1200 to 1800 is 300: tens are kept. Without width the value stands alone."""
    assert significant(1503.2, (1200, 1800)) == 1500
    assert format_with_interval(1503.2, (1200, 1800)) == "1500 ±300"
    assert format_with_interval(0.5, (0.5, 0.5)) == "0.5"
    assert significant(0.123456, (0.5, 0.5)) == 0.123456
    with pytest.raises(ValueError, match="no width"):
        decimals((0.5, 0.5))


def test_sign_flip_agrees_with_all_flips():
    """Six differences have 64 flips; the share at least as extreme is the limit of p."""
    differences = np.array([0.5, -0.1, 0.3, 0.2, 0.4, -0.2])
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=6)]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    p = sign_flip_test(differences, np.zeros(6), n_flips=20_000, seed=1)
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))


def test_sign_flip_sees_a_shift_and_nothing_in_no_difference():
    """A shift of every query is as rare as p can say; equal sides give 1."""
    values = np.random.default_rng(0).random(100)
    assert sign_flip_test(values + 0.1, values, n_flips=999, seed=0) == 1 / 1000
    assert sign_flip_test(values, values, seed=0) == 1.0


def test_sign_flip_is_uniform_under_noise():
    """Where nothing is to be found, p is below 0.1 about one time in ten of 300."""
    random = np.random.default_rng(2)
    low = sum(
        sign_flip_test(random.normal(size=30), random.normal(size=30), n_flips=499, seed=seed) < 0.1
        for seed in range(300)
    )
    assert abs(low / 300 - 0.1) < 4 * math.sqrt(0.09 / 300)


def test_sign_flip_needs_pairs():
    """Sides of different length are refused."""
    with pytest.raises(ValueError, match="paired values"):
        sign_flip_test(np.ones(2), np.ones(3), seed=0)


def test_mann_whitney_by_hand():
    """1..8 against 9..16: U = 0, mean 32, variance 8 * 8 * 17 / 12, continuity one half."""
    z = (32 - 0.5) / math.sqrt(64 * 17 / 12)
    expected = math.erfc(z / math.sqrt(2))
    assert mann_whitney(np.arange(1.0, 9), np.arange(9.0, 17)) == pytest.approx(expected)
    assert mann_whitney(np.arange(9.0, 17), np.arange(1.0, 9)) == pytest.approx(expected)


def test_mann_whitney_with_ties_agrees_with_scipy():
    """Small whole numbers tie often; scipy's asymptotic test is the oracle."""
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    for _ in range(20):
        a, b = random.integers(0, 6, 12).astype(float), random.integers(1, 7, 15).astype(float)
        expected = stats.mannwhitneyu(a, b, method="asymptotic").pvalue
        assert mann_whitney(a, b) == pytest.approx(expected)
    assert mann_whitney(np.ones(5), np.ones(4)) == 1.0

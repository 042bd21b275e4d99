"""Paired statistics against cases worked by hand, enumeration and simulation."""

import itertools

import numpy as np
import pytest

from harness.compare.paired import (
    bootstrap_bounds,
    compare_paired,
    detectable_change,
    holm,
    power_of,
    sign_flip_p,
)
from harness.stats import bootstrap_interval, sign_flip_test

N_SIMULATIONS = 2_000
N_QUERIES = 120


def stepped(random, shape):
    """Return differences as recall gives them: most are 0, the others steps of 0.1, mean 0."""
    return random.integers(-5, 6, shape) * (random.random(shape) < 0.4) / 10


def test_sign_flips_agree_with_all_flips_enumerated():
    """Of the 2^8 sign patterns of 8 differences the share as extreme is the exact p."""
    differences = np.array([[3.0, -1.0, 2.0, 0.5, -0.5, 4.0, 1.0, 0.0]])
    flips = np.array(list(itertools.product((-1, 1), repeat=8)))
    sums = np.abs(flips @ differences[0])
    exact = (sums >= abs(differences.sum()) - 1e-12).mean()
    assert sign_flip_p(differences, seed=1)[0] == pytest.approx(exact, abs=0.015)


def test_cells_agree_with_the_functions_of_one_cell():
    """Cells that share their random numbers give what `harness.stats` gives each."""
    cells = list(stepped(np.random.default_rng(4), (3, 300)) + np.array([[0.0], [0.02], [0.03]]))
    for cell, one in zip(cells, compare_paired(cells, seed=3), strict=True):
        assert one.p == pytest.approx(sign_flip_test(cell, 0 * cell, seed=8), abs=0.015)
        low, high = bootstrap_interval(cell, n_resamples=4000, seed=9)
        assert (one.low, one.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_a_cell_by_hand():
    """Differences 0.5, 0, 0.5, -0.2: mean 0.2, 2 wins, 1 tie, 1 loss; sd 0.3559, by 2.8016 / 2."""
    [one] = compare_paired([np.array([0.5, 0.0, 0.5, -0.2])], seed=0)
    assert (one.wins, one.ties, one.losses, one.n) == (2, 1, 1, 4)
    assert one.difference == pytest.approx(0.2)
    assert one.detectable == pytest.approx(2.8016 * 0.35590 / 2, rel=1e-4)


def test_cells_of_several_sizes_keep_their_order():
    """What belongs to the second cell stands second, whatever was grouped for speed."""
    found = compare_paired([np.ones(3), np.full(5, 2.0), np.full(3, 3.0)], seed=0)
    assert [one.difference for one in found] == [1.0, 2.0, 3.0]
    assert [one.n for one in found] == [3, 5, 3]


def test_equal_cells_differ_in_nothing():
    """Differences that are all 0: p is 1, the interval is the point 0."""
    [one] = compare_paired([np.zeros(50)], seed=0)
    assert (one.p, one.low, one.high, one.ties) == (1.0, 0.0, 0.0, 50)


def test_hoeffding_goes_below_the_flips_and_never_below_the_exact_p():
    """All of n = 60 are 1: exact p is 2 / 2^60, the bound 2 exp(-30); of 8, 2 / 2^8 by flips."""
    assert sign_flip_p(np.ones((1, 60)), seed=0)[0] == pytest.approx(2 * np.exp(-30))
    assert 2 * np.exp(-30) > 2 / 2**60
    assert sign_flip_p(np.ones((1, 8)), seed=0)[0] == pytest.approx(2 / 2**8, abs=0.003)


@pytest.mark.parametrize("values", [np.array([]), np.array([1.0, np.nan])])
def test_cells_without_numbers_are_refused(values):
    """No difference, or one that is no number, names its cell."""
    with pytest.raises(ValueError, match="cell 1"):
        compare_paired([np.ones(2), values], seed=0)


@pytest.mark.parametrize("function", [sign_flip_p, bootstrap_bounds])
def test_differences_that_are_no_numbers_have_no_interval_and_no_p(function):
    """A NaN would pass as clear: neither ``low <= 0`` nor ``p >= 0.05`` holds of it."""
    with pytest.raises(ValueError, match="1 of 4 differences are not finite"):
        function(np.array([[1.0, 2.0], [1.0, np.nan]]), seed=0)


def test_holm_by_hand():
    """Sorted .005, .01, .03, .04 times 4, 3, 2, 1: .02, .03, .06, .04, made not to fall: .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.8, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def graded(random, shape):
    """Return differences as NDCG gives them: most are 0, the others of any size, mean 0."""
    return random.normal(0, 0.2, shape) * (random.random(shape) < 0.4)


@pytest.mark.parametrize("differences", [stepped, graded])
def test_false_positives_of_the_test_are_five_per_cent(differences):
    """Without a difference 4 to 6 % of 2,000 simulated cells have p < 0.05."""
    cells = differences(np.random.default_rng(11), (N_SIMULATIONS, N_QUERIES))
    p_values = sign_flip_p(cells, seed=12)
    assert 0.04 <= (p_values < 0.05).mean() <= 0.06


def test_the_interval_covers_as_it_says():
    """The 95 % interval misses a mean of 0 in 4 to 6.5 % of 2,000 cells."""
    low, high = bootstrap_bounds(
        stepped(np.random.default_rng(13), (N_SIMULATIONS, N_QUERIES)), seed=14
    )
    assert 0.04 <= ((low > 0) | (high < 0)).mean() <= 0.065


@pytest.mark.parametrize("share", [0.5, 1.0, 1.3])
def test_power_is_what_is_printed(share):
    """With a known change, as many of 2,000 cells are found as `power_of` says, within 5 points."""
    random = np.random.default_rng(15)
    deviation = stepped(random, 1_000_000).std()
    change = share * detectable_change(deviation, N_QUERIES)
    cells = stepped(random, (N_SIMULATIONS, N_QUERIES)) + change
    observed = (sign_flip_p(cells, seed=16) < 0.05).mean()
    assert observed == pytest.approx(power_of(change, deviation, N_QUERIES), abs=0.05)


def test_holm_keeps_the_family_wise_rate():
    """In 2,000 families of 6 cells without a difference, at most 6 % have any below 0.05."""
    cells = stepped(np.random.default_rng(17), (6 * N_SIMULATIONS, 80))
    p_values = sign_flip_p(cells, n_flips=2_000, seed=18).reshape(N_SIMULATIONS, 6)
    found = np.mean([min(holm(family)) < 0.05 for family in p_values.tolist()])
    assert 0.03 <= found <= 0.06
    assert (p_values.min(axis=1) < 0.05).mean() > 0.2  # without Holm it would be 26 %

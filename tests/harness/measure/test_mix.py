"""The mix decides which test queries are sent and how often."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from harness.measure.load_spec import LoadSpec
from harness.measure.mix import MIN_SPARE, choose_rows, first_sends, rounds, spare_rows

LENGTHS = np.array([5, 1, 9, 5, 3, 9, 0, 2, 7, 4])


def random(seed=0):
    return np.random.default_rng(seed)


def test_uniform_draws_different_queries():
    """Four of ten, none twice; another seed draws others; 0 stands for all."""
    chosen = choose_rows(LoadSpec(queries=4), LENGTHS, random())
    assert len(set(chosen.tolist())) == 4
    draws = {tuple(choose_rows(LoadSpec(queries=4), LENGTHS, random(seed))) for seed in range(9)}
    assert len(draws) > 5
    assert sorted(choose_rows(LoadSpec(queries=0), LENGTHS, random())) == list(range(10))
    assert sorted(choose_rows(LoadSpec(queries=99), LENGTHS, random())) == list(range(10))


@pytest.mark.parametrize(
    ("mix", "share", "rows"),
    [
        ("head", 0.3, [2, 5, 8]),  # histories of 9, 9 and 7
        ("tail", 0.3, [1, 6, 7]),  # of 1, 0 and 2
        ("head", 0.4, [0, 2, 5, 8]),  # of the two with 5 the earlier
        ("head", 0.01, [2]),  # one at least
    ],
)
def test_head_and_tail_go_by_the_history(mix, share, rows):
    """A share of the queries with the longest, or the shortest, history."""
    spec = LoadSpec(queries=0, mix=mix, mix_share=share)
    assert sorted(choose_rows(spec, LENGTHS, random())) == rows


def test_head_is_sampled_where_fewer_are_asked_for():
    """Two of the three with the longest history, any two of them."""
    spec = LoadSpec(queries=2, mix="head", mix_share=0.3)
    pairs = {tuple(sorted(choose_rows(spec, LENGTHS, random(seed)))) for seed in range(30)}
    assert pairs == {(2, 5), (2, 8), (5, 8)}


def test_spare_queries_are_others_where_there_are_enough():
    """Warm-up must not touch the timed queries unless fewer than 20 others are left."""
    rows = np.arange(30)
    assert set(spare_rows(30 + MIN_SPARE, rows, random()).tolist()) == set(range(30, 50))
    assert set(spare_rows(30 + MIN_SPARE - 1, rows, random()).tolist()) == set(range(30))


def test_zipf_repeats_by_rank():
    """Query r of 20 comes with a probability of (1 / r) / H(20); counts lie within 5 errors."""
    n_sends = 40_000
    sends = first_sends(LoadSpec(mix="zipf"), 20, n_sends, random())
    expected = (1 / np.arange(1, 21)) / (1 / np.arange(1, 21)).sum()
    found = np.bincount(sends, minlength=20) / n_sends
    errors = np.sqrt(expected * (1 - expected) / n_sends)
    assert (abs(found - expected) < 5 * errors).all()


def test_rounds_hold_each_query_once():
    """So each query counts as often as the others, however long a pass lasts."""
    orders = list(islice(rounds(LoadSpec(), 7, random()), 5))
    assert [sorted(one) for one in orders] == [list(range(7))] * 5
    assert len({tuple(one) for one in orders}) > 1


def test_first_sends_are_cut_to_the_number():
    """Ten sends of four queries: two rounds and a half."""
    sends = first_sends(LoadSpec(), 4, 10, random())
    assert sends.size == 10
    assert sorted(Counter(sends.tolist()).values()) == [2, 2, 3, 3]

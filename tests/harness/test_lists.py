"""Lists against lists of lists in Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lists import Lists

ragged = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=6)


def plain(lists):
    return [lists.row(row).tolist() for row in range(len(lists))]


@given(ragged, st.data())
def test_take_is_indexing(lists, data):
    """Rows come in the order asked for, repeated when asked for twice."""
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8))
    taken = Lists.of(lists).take(np.array(rows, np.int64))
    assert plain(taken) == [lists[row] for row in rows]


@given(ragged, st.integers(0, 6))
def test_tail_is_the_last_n(lists, n):
    """Shorter lists stay whole."""
    assert plain(Lists.of(lists).tail(n)) == [one[max(len(one) - n, 0) :] for one in lists]


@given(ragged)
def test_rows_and_pairs_are_inverse(lists):
    """Lists taken apart into (row, id) pairs and put together again are the same."""
    whole = Lists.of(lists)
    again = Lists.from_pairs(whole.rows, whole.ids, len(whole))
    assert plain(again) == lists


def test_pairs_keep_their_order_within_a_row():
    """Rows may come in any order; ids of one row keep the order they came in."""
    made = Lists.from_pairs(np.array([1, 0, 1]), np.array([5, 3, 4]), 3)
    assert plain(made) == [[3], [5, 4], []]


def test_a_broken_indptr_is_refused():
    """An indptr that does not cover the ids, or falls, is an error of the caller."""
    with pytest.raises(ValueError, match="must run from 0 to 2"):
        Lists(np.array([0, 1]), np.array([1, 2]))
    with pytest.raises(ValueError, match="never fall"):
        Lists(np.array([0, 2, 1, 2]), np.array([1, 2]))

"""Two answers agree when only ties and rounding tell them apart."""

import numpy as np
import pytest

from harness.measure.agreement import differing_rows
from harness.topk import TopK


def answer(ids, scores):
    return TopK(np.array([ids]), np.array([scores], np.float32))


FIRST = answer([4, 2, 7], [3.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (answer([4, 2, 7], [3.0, 2.0, 1.0]), False),
        (answer([4, 2, 9], [3.0, 2.0, 1.0]), False),  # 9 may be tied with 7 at the cut
        (answer([4, 2, 7], [3.00002, 2.0, 1.0]), False),  # rounding of float32 sums
        (answer([4, 2, 7], [3.1, 2.0, 1.0]), True),
        (answer([4, 9, 7], [3.0, 2.0, 1.0]), True),  # 2 stands clear of the cut: no tie explains 9
        (answer([9, 2, 7], [3.0, 2.0, 1.0]), True),
        (answer([2, 4, 7], [3.0, 2.0, 1.0]), True),  # the same items, each with another's score
        (answer([4, 2, -1], [3.0, 2.0, -np.inf]), True),
    ],
)
def test_what_counts_as_the_same(other, differs):
    """Items at the score of the last place may be exchanged, others not; so both ways round."""
    assert differing_rows(FIRST, other).tolist() == [differs]
    assert differing_rows(other, FIRST).tolist() == [differs]


def test_two_tied_items_may_swap_places():
    """Equal scores, other order: the same answer, also above the cut."""
    one = answer([4, 2, 7], [3.0, 3.0, 1.0])
    two = answer([2, 4, 7], [3.0, 3.0, 1.0])
    assert not differing_rows(one, two).any()


def test_short_lists_have_no_cut():
    """In a list that is not full every item counts: nothing was cut that could be tied."""
    one = answer([4, 2, -1], [3.0, 1.0, -np.inf])
    two = answer([4, 9, -1], [3.0, 1.0, -np.inf])
    assert differing_rows(one, two).all()


def test_rows_are_judged_apart():
    """A difference in one query leaves the others alone."""
    one = TopK(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [2, 1]], np.float32))
    two = TopK(np.array([[1, 2], [5, 4]]), np.array([[2, 1], [2, 1]], np.float32))
    assert differing_rows(one, two).tolist() == [False, True]


def test_nan_never_agrees():
    """A NaN score differs from a number, and from another NaN."""
    broken = answer([4, 2, 7], [3.0, np.nan, 1.0])
    assert differing_rows(FIRST, broken).all()
    assert differing_rows(broken, FIRST).all()
    assert differing_rows(broken, broken).all()

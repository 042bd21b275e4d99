"""Faults of lists are counted, each kind on its own."""

import numpy as np
import pytest

from harness.metrics.faults import list_faults
from harness.topk import TopK

INF = np.inf


def faults(ids, scores, n_items=10):
    return list_faults(TopK(np.array(ids), np.array(scores, np.float32)), n_items)


def test_sound_lists_have_none():
    """A full and a short list by the contract: no reasons; 4 of 6 places filled, one row short."""
    found = faults([[3, 1, 2], [5, -1, -1]], [[3, 2, 1], [1, -INF, -INF]])
    assert found.reasons == ()
    assert (found.underfilled, found.fill_rate) == (1, pytest.approx(4 / 6))
    assert (found.tied_lists, found.tie_disorder) == (0.0, 0)


@pytest.mark.parametrize(
    ("ids", "scores", "reason"),
    [
        ([[1, 2, 1]], [[3, 2, 1]], "1 duplicate ids in lists"),
        ([[1, 1, 1]], [[3, 2, 1]], "2 duplicate ids in lists"),
        ([[1, 2, 3]], [[3, np.nan, 1]], "1 NaN scores"),
        ([[1, 10, -2]], [[3, 2, 1]], "2 ids outside the catalogue"),
        ([[1, 2, 3]], [[3, 2, -INF]], "1 pads with a score or items with a pad's score"),
        ([[1, 2, -1]], [[3, 2, 1]], "1 pads with a score or items with a pad's score"),
        ([[1, 2, 3]], [[1, 2, 3]], "1 lists whose scores rise"),
        ([[1, -1, 3]], [[1, -INF, 0]], "1 lists whose scores rise"),
    ],
)
def test_each_fault_is_named_with_its_count(ids, scores, reason):
    """One kind of fault gives one reason, and no other."""
    assert faults(ids, scores).reasons == (reason,)


def test_pads_are_no_duplicates_and_no_ties():
    """Three pads in a row repeat nothing."""
    found = faults([[-1, -1, -1]], [[-INF, -INF, -INF]])
    assert (found.duplicates, found.tied_lists, found.reasons) == (0, 0.0, ())


def test_tied_lists_are_a_share_of_all():
    """One of two lists holds two equal scores; it stands in the wrong order, which is counted."""
    found = faults([[4, 3, 2], [1, 2, 3]], [[5, 5, 1], [3, 2, 1]])
    assert (found.tied_lists, found.tie_disorder, found.reasons) == (0.5, 1, ())


def test_no_lists_no_faults():
    """Nothing returned for nothing asked is whole."""
    found = faults(np.empty((0, 3), np.int64), np.empty((0, 3)))
    assert (found.reasons, found.fill_rate, found.tied_lists) == ((), 1.0, 0.0)

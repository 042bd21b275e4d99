"""SLIM: coordinate descent against proximal gradient in float64, and the optimality conditions."""

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from methods.classical.slim import SLIM, SLIMParams

EXACT = {"tolerance": 1e-10, "max_sweeps": 10_000}
PENALTIES = [(0.5, 2.0), (0.0, 3.0), (2.0, 1.0)]  # without a bound the first two have negatives


def fitted(log, **params):
    method = SLIM(SLIMParams(**params))
    method.fit(log)
    method.build()
    return method


def weights(method, n_items):
    """Return W, (seen, scored), 0 where there is no score."""
    alone = Queries(
        np.full(n_items, -1), Lists.of([[one] for one in range(n_items)]), Lists.empty(n_items)
    )
    scores = method.score(alone, np.arange(n_items))
    return np.where(np.isinf(scores), 0, scores)


def proximal(met, l1, l2, non_negative):
    """Return the minimiser by 20,000 steps of proximal gradient, all columns at once."""
    gram = met.T @ met
    step = 1 / (np.linalg.eigvalsh(gram).max() + l2)
    found = np.zeros_like(gram)
    for _ in range(20_000):
        before = found
        found = found - step * (gram @ found - gram + l2 * found)
        found = np.sign(found) * np.maximum(np.abs(found) - step * l1, 0)
        if non_negative:
            found = np.maximum(found, 0)
        np.fill_diagonal(found, 0)
        if np.abs(found - before).max() < 1e-13:
            break
    return found


def test_two_items_by_hand():
    """Items met together once, apart once: w = (1 - l1) / (2 + l2) = 0.5 / 5."""
    log = Interactions(Lists.of([[0, 1], [0], [1]]), 2)
    found = weights(fitted(log, l1=0.5, l2=3.0), 2)
    assert found == pytest.approx(np.array([[0, 0.1], [0.1, 0]]))


@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
@pytest.mark.parametrize("non_negative", [True, False])
def test_agrees_with_proximal_gradient(log, met, l1, l2, non_negative):
    """Both descend to the one minimum there is."""
    method = fitted(log, l1=l1, l2=l2, non_negative=non_negative, top_n=25, **EXACT)
    expected = proximal(met, l1, l2, non_negative)
    assert weights(method, log.n_items) == pytest.approx(expected, abs=1e-6)
    assert method.footprint().details == {
        "postings": (np.abs(expected) > 1e-9).sum(),
        "dropped_weight": 0.0,
        "unsolved": 0.0,
    }


def test_signed_weights_reach_items_without_a_common_user():
    """0 and 2 share nobody, but 2 corrects for 1: where 1 and 2 were met, 0 was not.

    With l1 = 0, l2 = 1 column 0 has w_1 = 3/8 and w_2 = -1/8 from [[3, 1], [1, 3]] w = [1, 0].
    """
    log = Interactions(Lists.of([[0, 1], [1, 2], [2]]), 3)
    found = weights(fitted(log, l1=0.0, l2=1.0, non_negative=False, **EXACT), 3)
    assert found[:, 0] == pytest.approx([0, 3 / 8, -1 / 8], abs=1e-7)


def test_top_n_keeps_the_largest(log, met):
    """Two weights a column, and the share that the others had."""
    method = fitted(log, l1=0.0, l2=2.0, top_n=2, **EXACT)
    whole = proximal(met, 0.0, 2.0, True)
    kept = np.sort(whole, axis=0)[-2:].sum()
    found = weights(method, log.n_items)
    assert ((found > 0).sum(axis=0) <= 2).all()
    assert found.sum() == pytest.approx(kept, abs=1e-6)
    dropped = method.footprint().details["dropped_weight"]
    assert dropped == pytest.approx(1 - kept / whole.sum(), abs=1e-6)


def test_columns_out_of_sweeps_are_counted(log):
    """One sweep from nothing moves every column that has a candidate, so none of them is solved."""
    method = fitted(log, l1=0.0, max_sweeps=1)
    with_neighbours = (weights(method, log.n_items) > 0).any(axis=0).mean()
    assert method.footprint().details["unsolved"] == pytest.approx(with_neighbours)


def test_blocks_of_items_change_nothing(log, monkeypatch):
    """Columns are solved apart: seven at a time as all at once."""
    whole = weights(fitted(log), log.n_items)
    monkeypatch.setattr("methods.classical.slim.ITEMS_AT_ONCE", 7)
    assert np.array_equal(weights(fitted(log), log.n_items), whole)


def test_without_a_weight_there_is_no_score_unless_weights_are_signed(asked, log):
    """A penalty above all counts leaves nothing: padding, or zeros in order of id."""
    assert (fitted(log, l1=100.0).search(asked, 3).ids == -1).all()
    found = fitted(log, l1=100.0, non_negative=False).search(asked, 3)
    assert found.ids[:3].tolist() == [[1, 2, 4], [0, 1, 2], [0, 1, 2]]
    assert (found.scores[:3] == 0).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"l1": -1.0}, "l1 = -1.0 and l2 = 100.0; expected l1 at least 0 and l2 above 0"),
        ({"l2": 0.0}, "l1 = 1.0 and l2 = 0.0; expected"),
        ({"tolerance": 0.0}, "tolerance = 0.0; expected more than 0"),
        ({"top_n": 0}, "top_n = 0; expected at least 1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given, message):
    """Each says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_params(SLIMParams, given)

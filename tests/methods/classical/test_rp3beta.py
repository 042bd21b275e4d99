"""RP3beta: transition matrices raised to alpha, multiplied out."""

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from methods.classical.rp3beta import RP3beta, RP3betaParams


def fitted(log, **params):
    method = RP3beta(RP3betaParams(**params))
    method.fit(log)
    method.build()
    return method


def test_by_hand():
    """Item 0 to 1 over user 0 (2 items) and user 1 (3): (1/2)(1/2 + 1/3) / 3^1, for d_1 = 3."""
    log = Interactions(Lists.of([[0, 1], [0, 1, 2], [1]]), 3)
    asked = Queries(np.array([-1]), Lists.of([[0]]), Lists.of([[0]]))
    found = fitted(log, alpha=1.0, beta=1.0).search(asked, 3)
    assert found.ids.tolist() == [[2, 1, -1]]  # item 2: (1/2)(1/3) / 1
    assert found.scores[0, :2].tolist() == pytest.approx([1 / 6, 5 / 36])


@pytest.mark.parametrize("of", ["seen", "scored"])
@pytest.mark.parametrize("again", [False, True])
def test_lists_whose_weights_vanish_are_no_numbers_without_meaning(of, again):
    """Items 0 and 1 share 40 users: (1/40)^30 is 0 in single precision, (1/2)^30 of 2 and 3 not."""
    log = Interactions(Lists.of([[0, 1]] * 40 + [[2, 3]]), 4)
    method = fitted(log, alpha=30.0, normalise=True, neighbours_of=of, cut_twice=again)
    asked = Queries(np.array([-1, -1]), Lists.of([[0], [2]]), Lists.of([[0], [2]]))
    found = method.search(asked, 2)
    assert found.ids.tolist() == [[1, -1], [3, -1]]
    assert found.scores[:, 0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("alpha", [0.4, 1.0])
@pytest.mark.parametrize("of", ["seen", "scored"])
@pytest.mark.parametrize(
    ("n", "normalise", "again"),
    [(4, False, False), (4, True, False), (100, False, False), (4, True, True)],
)
def test_agrees_with_transition_matrices(
    log, met, asked, asked_met, alpha, of, n, normalise, again
):
    """Scores are P_iu^alpha P_ui^alpha, columns by popularity^beta, cut as asked."""
    to_item = (met / np.maximum(met.sum(1, keepdims=True), 1)) ** alpha
    to_user = (met.T / np.maximum(met.sum(0)[:, None], 1)) ** alpha
    walks = to_user @ to_item / np.maximum(met.sum(0), 1) ** 0.3
    np.fill_diagonal(walks, 0)
    cut = walks if of == "seen" else walks.T
    for row in cut:
        row[np.lexsort((np.arange(row.size), -row.astype(np.float32)))[n:]] = 0
        if normalise and row.sum():
            row[:] = row / row.sum()
    for column in cut.T if again else ():
        column[np.lexsort((np.arange(column.size), -column.astype(np.float32)))[n:]] = 0
    method = fitted(
        log,
        alpha=alpha,
        beta=0.3,
        n_neighbours=n,
        neighbours_of=of,
        normalise=normalise,
        cut_twice=again,
    )
    scores = method.score(asked, np.arange(log.n_items))
    expected = np.where(asked_met @ (walks > 0) > 0, asked_met @ walks, -np.inf)
    assert scores == pytest.approx(expected.astype(np.float32), rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": -0.1}, "alpha = -0.1 and beta = 0.45; expected both at least 0"),
        ({"n_neighbours": 0}, "n_neighbours = 0; expected at least 1"),
        ({"neighbours_of": "sean"}, "did you mean 'seen'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given, message):
    """Each says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_params(RP3betaParams, given)

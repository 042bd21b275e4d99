"""The tie rule, padding and hiding, against brute force in Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.lists import Lists
from harness.topk import TopK, drop_hidden, select_top_k


def brute_force(scores, k, hidden):
    """Sort every row by (-score, id) and leave hidden items out, one at a time."""
    ids = np.full((len(scores), k), -1)
    best = np.full((len(scores), k), -np.inf, np.float32)
    for row, values in enumerate(scores):
        left = [i for i in range(len(values)) if i not in hidden[row] and values[i] > -np.inf]
        for place, item in enumerate(sorted(left, key=lambda i: (-values[i], i))[:k]):
            ids[row, place], best[row, place] = item, values[item]
    return ids, best


@st.composite
def problems(draw):
    n, width = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])  # few values, so ties abound
    scores = draw(arrays(np.float32, (n, width), elements=values))
    hidden = [sorted(draw(st.sets(st.integers(0, width - 1)))) for _ in range(n)]
    return scores, draw(st.integers(1, width)), hidden


@given(problems())
def test_selection_equals_brute_force(problem):
    """Ties at the boundary go to smaller ids; hidden and -inf items never appear."""
    scores, k, hidden = problem
    before = scores.copy()
    found = select_top_k(scores, k, Lists.of(hidden))
    ids, best = brute_force(scores, k, hidden)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_array_equal(found.scores, best)
    np.testing.assert_array_equal(scores, before)  # the caller's scores are left alone


@given(problems())
def test_dropping_after_equals_hiding_before(problem):
    """Over-fetching everything and dropping the hidden gives what hiding first gives."""
    scores, k, hidden = problem
    everything = select_top_k(scores, scores.shape[1])
    dropped = drop_hidden(everything, Lists.of(hidden), k)
    hid = select_top_k(scores, k, Lists.of(hidden))
    np.testing.assert_array_equal(dropped.ids, hid.ids)
    np.testing.assert_array_equal(dropped.scores, hid.scores)


def test_pads_are_dropped_too():
    """A padded row stays padded: -1 is no item, also beside a hidden item of the row before."""
    found = TopK(np.array([[2, -1], [0, 1]]), np.array([[1, -np.inf], [3, 2]], np.float32))
    kept = drop_hidden(found, Lists.of([[0], [0]]), 2)
    assert kept.ids.tolist() == [[2, -1], [1, -1]]

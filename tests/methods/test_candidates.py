"""Candidates: the union of lists and the best of it, against dictionaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.lists import Lists
from harness.topk import PAD_ID, PAD_SCORE
from methods.candidates import best_of, union_of

SCORES = st.integers(-3, 3).map(float)  # few values, so that many tie
ROWS = st.lists(
    st.lists(st.tuples(st.integers(-1, 6), SCORES), min_size=4, max_size=4), min_size=0, max_size=3
)


@given(ROWS, st.integers(1, 6))
def test_the_best_of_a_union_is_that_of_a_dictionary(rows, k):
    """Each item once with its highest score; score descending, then id; pads where none is left."""
    ids = np.array([[item for item, _ in row] for row in rows], np.int64).reshape(-1, 4)
    scores = np.array([[score for _, score in row] for row in rows], np.float32).reshape(-1, 4)
    found = best_of(*union_of(ids, scores), k)
    assert found.ids.shape == found.scores.shape == (len(rows), k)
    for place, row in enumerate(rows):
        best = {}
        for item, score in row:
            if item != PAD_ID:
                best[item] = max(score, best.get(item, score))
        wanted = sorted(best.items(), key=lambda one: (-one[1], one[0]))[:k]
        wanted += [(PAD_ID, PAD_SCORE)] * (k - len(wanted))
        assert list(zip(found.ids[place], found.scores[place], strict=True)) == wanted


def test_what_may_not_be_returned_becomes_a_pad():
    """A candidate with -inf is none."""
    found = best_of(Lists.of([[2, 5]]), np.array([-np.inf, 1], np.float32), 2)
    assert found.ids.tolist() == [[5, PAD_ID]]
    assert found.scores.tolist() == [[1.0, PAD_SCORE]]


def test_read_only_lists_are_taken():
    """Arrays that may not be written to, as those opened in place from a file."""
    lists = Lists.of([[2, 5], []])
    for one in (lists.indptr, lists.ids):
        one.setflags(write=False)
    assert best_of(lists, np.array([1, 2], np.float32), 1).ids.tolist() == [[5], [PAD_ID]]

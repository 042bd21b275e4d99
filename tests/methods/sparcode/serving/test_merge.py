"""The serving kernel equals the dense sum of the same lists, bit for bit, ties by id."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from harness.topk import select_top_k
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving.merge import add_rows, merge_lists


def postings_of(rows):
    """Return the posting lists of dense rows, float32 (n_lists, n_items), zeros left out."""
    listed, items = np.nonzero(rows)
    starts = np.concatenate(([0], np.cumsum(np.bincount(listed, minlength=len(rows)))))
    return Postings(starts.astype(np.int64), items.astype(np.int32), rows[listed, items])


def merge(rows, lists, hidden, k):
    postings = postings_of(rows)
    return merge_lists(*postings, lists, hidden.indptr, hidden.ids, rows.shape[1], k)


def test_a_case_by_hand():
    """Lists {0: 1, 2: 2}, {2: 1, 3: 3} and an empty one; item 3 is hidden from the second query.

    First query adds lists 0 and 1: items 2 and 3 have 3, item 0 has 1. Second: list 1 twice and
    the empty one: item 2 has 2.
    """
    rows = np.array([[1, 0, 2, 0], [0, 0, 1, 3], [0, 0, 0, 0]], np.float32)
    lists = np.array([[0, 1, 2], [1, 1, 2]])
    ids, scores, n_postings, n_candidates = merge(rows, lists, Lists.of([[], [3]]), 3)
    assert ids.tolist() == [[2, 3, 0], [2, -1, -1]]
    assert scores.tolist() == [[3, 3, 1], [2, -np.inf, -np.inf]]
    assert (n_postings, n_candidates) == (4 + 4, 3 + 2)


@settings(max_examples=150, deadline=None)
@given(
    n_items=st.integers(1, 30),
    n_lists=st.integers(1, 6),
    width=st.integers(1, 5),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    exact=st.booleans(),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_served_is_the_top_of_the_dense_sum(n_items, n_lists, width, density, exact, seed, data):
    """Any lists, any queries: duplicate codes, empty lists, one item, k above the candidates.

    ``exact`` draws small whole numbers, so that many scores tie; else arbitrary float32, so that
    another order of additions would show.
    """
    random = np.random.default_rng(seed)
    k = data.draw(st.integers(1, n_items))
    rows = random.integers(1, 4, size=(n_lists, n_items)).astype(np.float32)
    if not exact:
        rows *= random.random(rows.shape, np.float32) + np.float32(1e-3)
    rows[random.random(rows.shape) >= density] = 0
    lists = random.integers(n_lists, size=(3, width))
    hidden = Lists.of([np.flatnonzero(random.random(n_items) < p).tolist() for p in (0, 0.3, 1)])
    ids, scores, *_ = merge(rows, lists, hidden, k)
    dense = add_rows(rows, lists)
    best = select_top_k(np.where(dense > 0, dense, np.float32(-np.inf)), k, hidden)
    np.testing.assert_array_equal(ids, best.ids)
    np.testing.assert_array_equal(scores, best.scores)


def test_a_query_does_not_depend_on_its_company():
    """What one query leaves behind in the accumulator is nothing."""
    random = np.random.default_rng(0)
    rows = np.where(random.random((9, 40)) < 0.4, random.random((9, 40)), 0).astype(np.float32)
    lists, hidden = random.integers(9, size=(12, 4)), Lists.of([[row, 20] for row in range(12)])
    ids, scores, *_ = merge(rows, lists, hidden, 7)
    for row in range(12):
        alone = merge(rows, lists[[row]], hidden.take(np.array([row])), 7)
        np.testing.assert_array_equal(alone[0][0], ids[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


@pytest.mark.parametrize("chosen", [[], [2, 0], [1, 1]])
def test_lists_are_copied_in_the_order_asked_for(chosen):
    """A list may be taken twice, an empty one too."""
    rows = np.array([[1, 0, 2], [0, 0, 0], [0, 5, 0]], np.float32)
    taken = postings_of(rows).take(np.array(chosen, np.int64))
    expected = postings_of(rows[np.array(chosen, np.int64)])
    for one, other in zip(taken, expected, strict=True):
        np.testing.assert_array_equal(one, other)

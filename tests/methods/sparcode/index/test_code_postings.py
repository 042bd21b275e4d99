"""Posting lists of codewords, and nearest codewords, against the dense matrix of inner products."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MethodError
from methods.sparcode.index import code_postings
from methods.sparcode.index.code_postings import best_postings, nearest_codes


def silent(done, total):
    """Hear nothing of the progress."""


def best_items(row, n_kept):
    """Return the ids of the best positive items of a row, ties to the smaller id, ascending."""
    ranked = sorted(np.flatnonzero(row > 0).tolist(), key=lambda item: (-row[item], item))
    return sorted(ranked[:n_kept])


@settings(max_examples=120, deadline=None)
@given(
    n_items=st.integers(1, 60),
    n_codes=st.integers(1, 6),
    n_kept=st.integers(1, 12),
    block=st.integers(1, 80),
    whole=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_each_list_holds_the_best_of_its_code(n_items, n_codes, n_kept, block, whole, seed):
    """Whatever the blocks; ``whole`` draws small whole numbers, so that many products tie."""
    random = np.random.default_rng(seed)
    codewords = random.integers(-2, 3, size=(n_codes, 3)).astype(np.float32)
    vectors = random.integers(-2, 3, size=(n_items, 3)).astype(np.float32)
    if not whole:
        vectors += random.random(vectors.shape, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_postings, "BLOCK_SCORES", block)
        found = best_postings(codewords, vectors, n_kept, silent)
    products = codewords @ vectors.T
    codes = np.repeat(np.arange(n_codes), found.lengths)
    np.testing.assert_allclose(found.scores, products[codes, found.items], rtol=1e-5, atol=1e-5)
    assert (found.scores > 0).all()
    for row, items in zip(products, np.split(found.items, found.starts[1:-1]), strict=True):
        assert items.tolist() == sorted(set(items.tolist()))
        best = np.sort(row[row > 1e-5])[::-1][:n_kept]
        np.testing.assert_allclose(np.sort(row[items])[::-1][: best.size], best, atol=1e-5)
        if whole:
            assert items.tolist() == best_items(row, n_kept)


def test_a_case_by_hand():
    """Code (1, 0) with items of first coordinate 3, -1, 3, 2, 0: the best two are 0 and 2."""
    vectors = np.array([[3, 0], [-1, 0], [3, 1], [2, 0], [0, 9]], np.float32)
    found = best_postings(np.array([[1, 0]], np.float32), vectors, 2, silent)
    assert (found.items.tolist(), found.scores.tolist()) == ([0, 2], [3, 3])
    more = best_postings(np.array([[1, 0]], np.float32), vectors, 9, silent)
    assert more.items.tolist() == [0, 2, 3]  # neither the negative nor the zero


def test_progress_reaches_all_items(monkeypatch):
    """Ten items in blocks of four for one code: 4, 8, 10 of 10."""
    monkeypatch.setattr(code_postings, "BLOCK_SCORES", 4)
    heard = []
    best_postings(
        np.ones((1, 2), np.float32), np.ones((10, 2), np.float32), 3, lambda *one: heard.append(one)
    )
    assert heard == [(4, 10), (8, 10), (10, 10)]


@settings(max_examples=100, deadline=None)
@given(
    n_codes=st.integers(1, 20),
    n_nearest=st.integers(1, 20),
    seed=st.integers(0, 10_000),
)
def test_the_nearest_codes_stand_in_order(n_codes, n_nearest, seed):
    """By product, ties to the smaller code, with whole numbers, so that sums are exact."""
    random = np.random.default_rng(seed)
    n_nearest = min(n_nearest, n_codes)
    queries = random.integers(-2, 3, size=(4, 3)).astype(np.float32)
    codewords = random.integers(-2, 3, size=(n_codes, 3)).astype(np.float32)
    found = nearest_codes(queries, codewords, n_nearest)
    expected = np.argsort(-(queries @ codewords.T), axis=1, kind="stable")[:, :n_nearest]
    np.testing.assert_array_equal(found, expected)


def test_a_query_does_not_depend_on_its_company():
    """Alone or with others: the same codes, with arbitrary numbers."""
    random = np.random.default_rng(1)
    queries = random.normal(size=(9, 7)).astype(np.float32)
    codewords = random.normal(size=(50, 7)).astype(np.float32)
    together = nearest_codes(queries, codewords, 5)
    for row in range(9):
        alone = nearest_codes(queries[row : row + 1].copy(), codewords, 5)
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_refused(wrong):
    """In a codeword or a vector; no item is dropped in silence."""
    for place in (0, 1):
        given = [np.ones((2, 3), np.float32), np.ones((5, 3), np.float32)]
        given[place][1, 2] = wrong
        with pytest.raises(MethodError, match=f"{('codewords', 'vectors')[place]} hold NaN"):
            best_postings(*given, 2, lambda *_: None)

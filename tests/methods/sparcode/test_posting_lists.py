"""Posting lists over given vectors serve the dense sum of the lists, and count what they read."""

import numpy as np
import pytest

from harness.errors import MethodError
from harness.interactions import Queries
from harness.testing import tiny_held_out, tiny_log
from harness.topk import select_top_k
from methods.sparcode.posting_lists import PostingLists, PostingListsParams, PostingListsSearch

K = 6


@pytest.fixture(scope="module")
def method():
    made = PostingLists(PostingListsParams(n_codes=12, postings=9, train_per_code=5), seed=4)
    made.fit(tiny_log())
    made.build()
    return made


@pytest.fixture(scope="module")
def queries():
    return tiny_held_out(tiny_log()).queries


def vectors_of(fields):
    return fields.columns["vector"].values


@pytest.mark.parametrize("lists", [1, 3, 12, 99])
def test_it_serves_the_dense_sum_of_the_lists(method, queries, lists):
    """y(q, i) = the sum of ReLU(<c, i>) over the K nearest codewords, 0 where no list keeps it."""
    method.search_params = PostingListsSearch(lists=lists)
    items, codewords = vectors_of(tiny_log().item_fields), method._codewords
    products = np.maximum(codewords @ items.T, 0)
    for row in products:  # the nine best of each codeword are kept
        row[np.argsort(-row, kind="stable")[9:]] = 0
    near = np.argsort(-(vectors_of(queries.fields) @ codewords.T), axis=1)[:, :lists]
    dense = products[near].sum(axis=1, dtype=np.float32)
    dense[dense == 0] = -np.inf
    best = select_top_k(dense, K, queries.hidden)
    found = method.search(queries, K)
    kept = np.isfinite(best.scores)
    np.testing.assert_array_equal(np.isfinite(found.scores), kept)
    room = (min(lists, 12) + 1) * method._packed.scale / 2  # half a unit a posting
    np.testing.assert_allclose(found.scores[kept], best.scores[kept], atol=room)


def test_more_lists_than_the_index_was_built_for_are_refused(queries):
    """Said with both numbers."""
    made = PostingLists(PostingListsParams(n_codes=12, postings=9, most_lists=2))
    made.fit(tiny_log())
    made.build()
    made.search_params = PostingListsSearch(lists=3)
    with pytest.raises(MethodError, match="lists = 3 exceeds most_lists = 2"):
        made.search(queries, K)


def test_the_work_is_counted(method, queries):
    """Two lists of nine for each of 48 queries; candidates are fewer where lists share items."""
    method.search_params = PostingListsSearch(lists=2)
    before = method.counters()
    method.search(queries, K)
    after = method.counters()
    assert after["postings"] - before["postings"] == 48 * 2 * 9
    assert 48 * 9 <= after["candidates"] - before["candidates"] <= 48 * 2 * 9


def test_the_score_is_the_inner_product_of_the_vectors(method, queries):
    """What is exhaustive is exact vector search, as for the vector indexes."""
    asked = np.array([4, 0, 29])
    items = vectors_of(tiny_log().item_fields)
    expected = vectors_of(queries.fields) @ items[asked].T
    np.testing.assert_allclose(method.score(queries, asked), expected, rtol=1e-5)


def test_the_account(method):
    """12 x 9 postings of 4 bytes, 13 starts, 30 ids and places; 12 codewords; 30 sums of 2."""
    account = method.footprint()
    assert account.index_bytes == 108 * 4 + 13 * 8 + 30 * 8 + 12 * 8 * 4 + 30 * 2
    assert account.details["postings"] == 108
    assert account.details["mean_list"] == 9
    assert 0 < account.details["covered_items"] <= 1


def test_a_loaded_index_has_no_vectors_to_score(method, queries, tmp_path):
    """Said, not guessed: search needs none, so none are saved."""
    method.save(tmp_path)
    loaded = PostingLists()
    loaded.load(tmp_path)
    with pytest.raises(MethodError, match="holds no item vectors"):
        loaded.score(queries, np.array([0]))


def test_more_codes_than_items_are_refused():
    """Said with both numbers."""
    with pytest.raises(MethodError, match="n_codes = 4096 exceeds the catalogue of 30 items"):
        PostingLists().fit(tiny_log())


def test_data_without_vectors_are_refused(method, queries):
    """The field that is missing is named, and one data set that has it."""
    bare = Queries(queries.user_ids, queries.history, queries.hidden, None)
    with pytest.raises(MethodError, match=r"query field 'vector'.*planted_vectors"):
        method.search(bare, K)


@pytest.mark.parametrize(
    "name", ["n_codes", "postings", "most_lists", "train_per_code", "iterations"]
)
def test_parameters_are_above_zero(name):
    """The one at fault is named."""
    with pytest.raises(ValueError, match=f"{name} = 0 must be at least 1"):
        PostingListsParams(**{name: 0})
    with pytest.raises(ValueError, match="lists = 0 must be at least 1"):
        PostingListsSearch(lists=0)

"""Lists of codewords in Seismic's index serve what the merge serves, of the same lists."""

import importlib.util

import numpy as np
import pytest

from harness.testing import tiny_held_out, tiny_log
from methods.sparcode.posting_lists import PostingLists, PostingListsParams, PostingListsSearch
from methods.sparcode.seismic_lists import SeismicLists, SeismicListsParams, SeismicListsSearch

SIZE = {"n_codes": 12, "postings": 9, "train_per_code": 5}
K = 6

installed = pytest.mark.skipif(
    importlib.util.find_spec("seismic") is None, reason="seismic is not installed"
)


@pytest.fixture(scope="module")
def method():
    made = SeismicLists(SeismicListsParams(**SIZE), seed=4)
    made.fit(tiny_log())
    made.build()
    return made


@installed
@pytest.mark.parametrize("lists", [1, 3, 99])
def test_it_serves_what_the_merge_serves(method, lists):
    """Of the same codewords and lists, nothing left out: scores within both roundings."""
    merged = PostingLists(PostingListsParams(**SIZE), seed=4)
    merged.fit(tiny_log())
    merged.build()
    merged.search_params = PostingListsSearch(lists=lists)
    method.search_params = SeismicListsSearch(lists=lists, query_cut=99, heap_factor=0.0)
    queries = tiny_held_out(tiny_log()).queries
    first, second = merged.search(queries, K), method.search(queries, K)
    np.testing.assert_array_equal(first.ids >= 0, second.ids >= 0)
    kept = first.ids >= 0
    room = (min(lists, 12) + 1) * merged._packed.scale
    np.testing.assert_allclose(first.scores[kept], second.scores[kept], rtol=2**-11, atol=room)


@installed
def test_the_account(method):
    """12 codewords of 8 float32 beside what Seismic writes; 108 postings, as they were given."""
    account = method.footprint()
    assert account.index_bytes == method._merger.nbytes + 12 * 8 * 4
    assert account.details["postings"] == 108
    assert account.details["mean_list"] == 9
    assert account.details["covered_items"] == method._merger.covered / 30


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_codes", 0),
        ("doc_cut", 0),
        ("centroid_fraction", 0.0),
        ("centroid_fraction", 1.5),
        ("summary_energy", 0.0),
    ],
)
def test_build_parameters_make_sense(name, value):
    """The one at fault is named with what was given."""
    with pytest.raises(ValueError, match=f"{name} = {value} must be"):
        SeismicListsParams(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("lists", 0), ("query_cut", 0), ("heap_factor", -0.1)])
def test_search_parameters_make_sense(name, value):
    """The one at fault is named with what was given."""
    with pytest.raises(ValueError, match=f"{name} = {value} must"):
        SeismicListsSearch(**{name: value})

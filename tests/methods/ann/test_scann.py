"""ScaNN against brute force; and what is said where it is missing or cannot serve."""

import importlib.util

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.topk import select_top_k
from methods.ann.params import ScannParams, ScannSearch
from methods.ann.scann_index import ScannIndex, default_leaves

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(2_000, 16)).astype(np.float32)
QUERIES = RANDOM.normal(size=(50, 16)).astype(np.float32)
BEST = select_top_k(QUERIES @ ITEMS.T, 10)

installed = pytest.mark.skipif(
    importlib.util.find_spec("scann") is None, reason="scann is not installed"
)


def built(leaves=40, soar_lambda=0.0, items=ITEMS):
    index = ScannIndex(leaves, 2, 0.2, soar_lambda)
    index.add(items)
    return index


def agreement(found):
    return np.mean([np.isin(a, b).mean() for a, b in zip(found.ids, BEST.ids, strict=True)])


@pytest.fixture(scope="module")
def index():
    return built()


@installed
def test_all_cells_and_all_candidates_are_exact(index):
    """Every cell looked into and every product computed: what brute force finds."""
    index.leaves_to_search, index.reorder = 1_000, 2_000
    found = index.search(QUERIES, 10)
    np.testing.assert_array_equal(found.ids, BEST.ids)
    np.testing.assert_allclose(found.scores, BEST.scores, rtol=1e-5)


@installed
@pytest.mark.parametrize("name", ["leaves_to_search", "reorder"])
def test_more_work_finds_more(index, name):
    """Agreement rises with cells and with reordered candidates."""
    found = []
    for value in (1, 10, 40) if name == "leaves_to_search" else (10, 30, 300):
        index.leaves_to_search, index.reorder = 40, 300
        setattr(index, name, value)
        found.append(agreement(index.search(QUERIES, 10)))
    assert found == sorted(found)
    assert found[0] < 0.9 < found[-1]


@installed
def test_scores_are_inner_products(index):
    """What is returned was computed exactly, also where the list is not the best."""
    index.leaves_to_search, index.reorder = 4, 50
    found = index.search(QUERIES, 10)
    for row, ids in enumerate(found.ids):
        np.testing.assert_allclose(found.scores[row], ITEMS[ids] @ QUERIES[row], rtol=1e-4)


@installed
def test_cells_that_hold_too_few_leave_pads(index):
    """One cell has fewer than 500 items: pads follow, for one query as for many."""
    index.leaves_to_search, index.reorder = 1, 1
    for queries in (QUERIES, QUERIES[:1]):
        found = index.search(queries, 500)
        pads = found.ids == -1
        assert pads.any(axis=1).all()
        assert not pads[:, 0].any()
        assert (found.scores[pads] == -np.inf).all()
        assert (np.diff(pads.astype(int), axis=1) >= 0).all()


@installed
def test_two_threads_find_the_same(index):
    """Threads share out queries; each gets what one thread gives it."""
    index.leaves_to_search, index.reorder = 8, 100
    one, before = index.search(QUERIES, 10), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = index.search(QUERIES, 10)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.scores, two.scores)


@installed
def test_an_item_in_two_cells_is_found_once():
    """SOAR puts every vector into a second cell: more codes, no item twice in a list."""
    spilled, plain = built(soar_lambda=1.5), built()
    spilled.leaves_to_search, spilled.reorder = 20, 400
    found = spilled.search(QUERIES, 100)
    assert all(len(set(ids.tolist())) == 100 for ids in found.ids)
    assert spilled.nbytes > plain.nbytes


@installed
def test_an_index_read_back_is_the_same(index, tmp_path):
    """Answers, bytes, vectors; a parameter set before stays."""
    loaded = ScannIndex(0, 2, 0.2, 0.0)
    for one in (index, loaded):
        one.leaves_to_search, one.reorder = 3, 20
    index.save(tmp_path)
    loaded.load(tmp_path)
    assert (loaded.leaves_to_search, loaded.reorder) == (3, 20)
    np.testing.assert_array_equal(loaded.search(QUERIES, 10).ids, index.search(QUERIES, 10).ids)
    assert (loaded.nbytes, loaded.n_items, loaded.leaves) == (index.nbytes, 2_000, 40)
    np.testing.assert_array_equal(index.vectors(), ITEMS)
    np.testing.assert_array_equal(loaded.vectors(), ITEMS)


@installed
def test_the_bytes_hold_vectors_and_codes(index):
    """At least 16 float32, 8 codes of a byte and a cell of 4 bytes an item, and not twice that."""
    least = 2_000 * (16 * 4 + 8 + 4)
    assert least < index.nbytes < 2 * least


@installed
def test_no_queries(index):
    """An empty batch has an empty answer."""
    assert index.search(QUERIES[:0], 3).ids.shape == (0, 3)


@installed
@pytest.mark.parametrize(
    ("n_items", "leaves", "message"),
    [(15, 1, "at least 16 items, got 15"), (20, 50, "leaves = 50 exceeds the catalogue of 20")],
)
def test_too_few_vectors_are_refused(n_items, leaves, message):
    """Said with both numbers."""
    with pytest.raises(MethodError, match=message):
        built(leaves, items=ITEMS[:n_items])


@installed
def test_files_that_are_no_index_are_refused(index, monkeypatch, tmp_path):
    """Whole files that ScaNN cannot read: an error of ours that names the folder."""
    junk = np.frombuffer(b"no index at all", np.uint8)
    monkeypatch.setattr(index, "_files", lambda: {"scann_assets.pbtxt": junk})
    index.save(tmp_path)
    with pytest.raises(MethodError, match=f"{tmp_path}: ScaNN cannot read it"):
        ScannIndex(0, 2, 0.2, 0.0).load(tmp_path)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    """Where scann is not installed, the error says what to install."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("methods.ann.scann_index.importlib.import_module", missing)
    with pytest.raises(MethodError, match="install the extra `scann`"):
        built()


def test_the_default_number_of_cells():
    """sqrt(n): 100 for 10,000, 1,000 for a million, one at least."""
    assert [default_leaves(n) for n in (10_000, 1_000_000, 1)] == [100, 1_000, 1]


@pytest.mark.parametrize(
    "given",
    [{"leaves": -1}, {"dims_per_block": 0}, {"anisotropic_threshold": 1.0}, {"soar_lambda": -0.5}],
)
def test_senseless_build_values_are_refused(given):
    """With the name in the message."""
    with pytest.raises(ValueError, match=next(iter(given))):
        ScannParams(**given)


@pytest.mark.parametrize("given", [{"leaves_to_search": 0}, {"reorder": 0}])
def test_senseless_search_values_are_refused(given):
    """With the name in the message."""
    with pytest.raises(ValueError, match=next(iter(given))):
        ScannSearch(**given)

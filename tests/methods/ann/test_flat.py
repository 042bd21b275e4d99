"""Exact indexes against brute force; each names what it lacks."""

import sys

import numpy as np
import pytest

from harness.errors import MethodError
from harness.lists import Lists
from harness.topk import select_top_k
from methods.ann.faiss_index import load_faiss
from methods.ann.flat import FaissFlat, exact_index
from methods.ann.torch_flat import TorchFlat

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(200, 8)).astype(np.float32)
QUERIES = RANDOM.normal(size=(7, 8)).astype(np.float32)


@pytest.fixture(
    params=["faiss", "cpu", pytest.param("cuda", marks=pytest.mark.gpu)], scope="module"
)
def index(request):
    index = FaissFlat() if request.param == "faiss" else TorchFlat(request.param)
    index.add(ITEMS)
    return index


@pytest.mark.parametrize("k", [1, 10, 200])
def test_finds_what_brute_force_finds(index, k):
    """The k best of all inner products, also with k the whole catalogue."""
    found, best = index.search(QUERIES, k), select_top_k(QUERIES @ ITEMS.T, k)
    np.testing.assert_array_equal(found.ids, best.ids)
    np.testing.assert_allclose(found.scores, best.scores, rtol=1e-5, atol=1e-6)


def test_ties_stand_by_id(index):
    """Forty equal items fill the list in ascending order of id, whatever the library does."""
    made = type(index)("cpu") if isinstance(index, TorchFlat) else type(index)()
    made.add(np.ones((40, 3), np.float32))
    found = made.search(np.ones((2, 3), np.float32), 40)
    assert found.ids.tolist() == [list(range(40))] * 2


@pytest.mark.parametrize("n_queries", [1, 40])
@pytest.mark.parametrize("k", [5, 50, 700])
def test_of_those_that_tie_at_the_last_place_the_smallest_ids_come(index, n_queries, k):
    """Sixty vectors of whole numbers, each some fifty times; one query scores all alike."""
    random = np.random.default_rng(1)
    several = random.integers(-2, 3, (60, 8)).astype(np.float32)
    items = several[random.integers(0, 60, 3000)]
    queries = random.integers(-2, 3, (n_queries, 8)).astype(np.float32)
    queries[0] = 0
    made = type(index)("cpu") if isinstance(index, TorchFlat) else type(index)()
    made.add(items)
    hidden = Lists.of([sorted(random.choice(3000, 30, replace=False)) for _ in queries])
    found = made.search_visible(queries, hidden, k)
    best = select_top_k(queries @ items.T, k, hidden)
    np.testing.assert_array_equal(found.scores, best.scores)
    np.testing.assert_array_equal(found.ids, best.ids)


def test_the_account_of_bytes(index):
    """200 vectors of 8 float32."""
    assert (index.n_items, index.nbytes) == (200, 200 * 8 * 4)


def test_blocks_change_nothing(monkeypatch):
    """With room for two queries' scores at a time the answers are the same."""
    monkeypatch.setattr("methods.ann.torch_flat.BLOCK_SCORES", 400)
    index = TorchFlat("cpu")
    index.add(ITEMS)
    np.testing.assert_array_equal(
        index.search(QUERIES, 5).ids, select_top_k(QUERIES @ ITEMS.T, 5).ids
    )


def test_missing_faiss_names_the_extras(monkeypatch):
    """The message says which extra to install, and that it is one or the other."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MethodError, match=r"`cpu` \(faiss-cpu\).*`gpu` \(faiss-gpu\); not both"):
        load_faiss()


def test_each_device_has_its_index():
    """Faiss on the CPU, torch on a GPU."""
    assert isinstance(exact_index("cpu"), FaissFlat)
    assert isinstance(exact_index("cuda"), TorchFlat)

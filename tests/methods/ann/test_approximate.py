"""IVF and HNSW against brute force: exact where they may be, and honest about what they did."""

import numpy as np
import pytest

from harness.errors import MethodError
from harness.topk import select_top_k
from methods.ann.faiss_index import ARRAY, FaissIndex
from methods.ann.hnsw import FaissHNSW
from methods.ann.ivf import FaissIVF, default_nlist

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(2_000, 16)).astype(np.float32)
QUERIES = RANDOM.normal(size=(50, 16)).astype(np.float32)
BEST = select_top_k(QUERIES @ ITEMS.T, 10)


def agreement(found):
    return np.mean([np.isin(a, b).mean() for a, b in zip(found.ids, BEST.ids, strict=True)])


@pytest.fixture(scope="module")
def ivf():
    index = FaissIVF(40, 30, seed=2)
    index.train(ITEMS)
    index.add(ITEMS)
    return index


@pytest.fixture(scope="module")
def hnsw():
    index = FaissHNSW(16, 80)
    index.add(ITEMS)
    return index


@pytest.mark.parametrize("nprobe", [40, 1_000])
def test_ivf_with_all_cells_is_exact(ivf, nprobe):
    """Every cell looked into, also when more are asked for: what brute force finds."""
    ivf.nprobe = nprobe
    found = ivf.search(QUERIES, 10)
    np.testing.assert_array_equal(found.ids, BEST.ids)
    np.testing.assert_allclose(found.scores, BEST.scores, rtol=1e-5)


def test_more_cells_find_more(ivf):
    """Agreement rises with nprobe, and so does the work."""
    found, work = [], []
    for nprobe in (1, 4, 16, 40):
        ivf.nprobe, before = nprobe, ivf.distances
        found.append(agreement(ivf.search(QUERIES, 10)))
        work.append(ivf.distances - before)
    assert found == sorted(found)
    assert found[0] < 0.6 < 0.9 < found[2]
    assert work == sorted(work)


def test_ivf_counts_its_inner_products(ivf):
    """All cells: each of 50 queries meets 2,000 vectors and 40 centroids."""
    ivf.nprobe, before = 40, ivf.distances
    ivf.search(QUERIES, 10)
    assert ivf.distances - before == 50 * (2_000 + 40)


def test_a_cell_that_holds_too_few_leaves_pads(ivf):
    """One cell has fewer than 500 items: the rest are pads of id -1 and score -inf, at the end."""
    ivf.nprobe = 1
    found = ivf.search(QUERIES, 500)
    pads = found.ids == -1
    assert pads.any(axis=1).all()
    assert (found.scores[pads] == -np.inf).all()
    assert (np.diff(pads.astype(int), axis=1) >= 0).all()
    assert ivf.search(QUERIES, 500).ids.max() < 2_000


def test_the_bytes_of_ivf(ivf):
    """2,000 vectors of 16 float32, their ids of 8 bytes, 40 centroids."""
    assert ivf.nbytes == 2_000 * (16 * 4 + 8) + 40 * 16 * 4


def test_the_default_number_of_cells():
    """4 sqrt(n): 400 for 10,000, 4,000 for a million; never more than there are vectors."""
    assert [default_nlist(n) for n in (10_000, 1_000_000, 9, 1)] == [400, 4_000, 9, 1]


def test_more_cells_than_vectors_are_refused():
    """Said with both numbers."""
    with pytest.raises(MethodError, match="nlist = 50 exceeds the catalogue of 20 items"):
        FaissIVF(50, 1).train(ITEMS[:20])


def test_the_seed_decides_the_cells(ivf):
    """The same seed the same cells, another seed others."""
    first, again, other = (FaissIVF(40, 30, seed=seed) for seed in (2, 2, 3))
    for index in (first, again, other):
        index.train(ITEMS)
        index.add(ITEMS)
        index.nprobe = 1
    one, two, three = (index.search(QUERIES, 10).ids for index in (first, again, other))
    np.testing.assert_array_equal(one, two)
    assert (one != three).any()


def test_a_wide_walk_finds_nearly_all(hnsw):
    """With as many candidates as half the items the graph leads to 99 % of the best."""
    hnsw.ef_search = 1_000
    assert agreement(hnsw.search(QUERIES, 10)) > 0.99


def test_wider_walks_find_more_and_work_more(hnsw):
    """Agreement and inner products rise with ef_search; all stay far below brute force."""
    found, work = [], []
    for ef_search in (10, 40, 160):
        hnsw.ef_search, before = ef_search, hnsw.distances
        found.append(agreement(hnsw.search(QUERIES, 10)))
        work.append(hnsw.distances - before)
    assert found == sorted(found)
    assert work == sorted(work)
    assert 0 < work[0] < work[-1] < 50 * 2_000


def test_the_bytes_of_hnsw(hnsw):
    """Vectors, 2 M neighbours of 4 bytes at the bottom and M for each level above, a level each."""
    graph = hnsw._index.hnsw
    levels = np.array([graph.levels.at(i) for i in range(2_000)])
    neighbours = 2_000 * 32 + int((levels - 1).sum()) * 16
    assert hnsw.nbytes == 2_000 * 16 * 4 + neighbours * 4 + 2_001 * 8 + 2_000 * 4


@pytest.mark.parametrize("name", ["ivf", "hnsw"])
def test_an_index_read_back_is_the_same(request, name, tmp_path):
    """Answers, bytes and vectors, in the order of the items; a parameter set before stays."""
    index = request.getfixturevalue(name)
    loaded = FaissIVF(0, 1) if name == "ivf" else FaissHNSW(2, 1)
    parameter = "nprobe" if name == "ivf" else "ef_search"
    for one in (index, loaded):
        setattr(one, parameter, 7)
    index.save(tmp_path)
    loaded.load(tmp_path)
    assert getattr(loaded, parameter) == 7
    np.testing.assert_array_equal(loaded.search(QUERIES, 10).ids, index.search(QUERIES, 10).ids)
    assert (loaded.nbytes, loaded.n_items) == (index.nbytes, 2_000)
    np.testing.assert_array_equal(index.vectors(), ITEMS)
    np.testing.assert_array_equal(loaded.vectors(), ITEMS)


def test_bytes_that_are_no_index_are_refused(monkeypatch, tmp_path):
    """A whole file that faiss cannot read is named, with what faiss says."""
    monkeypatch.setattr(FaissIndex, "_on_host", lambda self: None)
    junk = np.frombuffer(b"no index at all", np.uint8)
    monkeypatch.setattr(
        "methods.ann.faiss_index.load_faiss",
        lambda: type("Faiss", (), {"serialize_index": staticmethod(lambda _: junk)}),
    )
    FaissHNSW(4, 8).save(tmp_path)
    monkeypatch.undo()
    with pytest.raises(MethodError, match=f"{ARRAY}.npy: faiss cannot read it"):
        FaissHNSW(4, 8).load(tmp_path)

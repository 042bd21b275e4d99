"""Every index of the table against brute force, on vectors of unequal length, and as saved."""

import dataclasses
import importlib.util
import sys
from typing import get_args, get_type_hints

import numpy as np
import pytest

from harness.errors import MethodError
from harness.topk import select_top_k
from methods import CATALOG
from methods.ann.faiss_index import load_faiss
from methods.ann.hnswlib_index import HnswlibIndex
from methods.ann.indexes import (
    INDEX_PARAMS,
    INDEXES,
    IndexName,
    IndexParams,
    IndexSearch,
    new_index,
)
from methods.ann.torch_flat import TorchFlat

RANDOM = np.random.default_rng(0)
N, DIM = 1_500, 16
ITEMS = RANDOM.normal(size=(N, DIM)).astype(np.float32)
ITEMS *= RANDOM.uniform(0.2, 3.0, size=(N, 1)).astype(np.float32)  # inner product is no cosine
QUERIES = RANDOM.normal(size=(40, DIM)).astype(np.float32)
BEST = select_top_k(QUERIES @ ITEMS.T, 10)

PQ = {"nlist": 12, "bits": 6, "dims_per_block": 4}
FAST = {"nlist": 12, "dims_per_block": 2}
# name -> build parameters, search parameters that leave nothing out
EXHAUSTIVE = {
    "flat": ({}, {}),
    "faiss_flat": ({}, {}),
    "torch_flat": ({"index_precision": "bfloat16"}, {"k_factor": N}),
    "ivf": ({"nlist": 12}, {"nprobe": 99}),
    "ivf_pq": (PQ, {"nprobe": 12}),
    "ivf_pq_refine": (PQ, {"nprobe": 12, "k_factor": N}),
    "ivf_pq_fast_scan": (FAST, {"nprobe": 12}),
    "ivf_pq_fast_scan_refine": (FAST, {"nprobe": 12, "k_factor": N}),
    "sq8": ({}, {}),
    "sq8_refine": ({}, {"k_factor": N}),
    "hnsw": ({"m": 16, "ef_construction": 100}, {"ef_search": N}),
    "hnswlib": ({"m": 16, "ef_construction": 100}, {"ef_search": N}),
    "scann": ({"leaves": 12}, {"leaves_to_search": 12, "reorder": N}),
}
CODES_ALONE = {"ivf_pq", "ivf_pq_fast_scan", "sq8"}
UNCOUNTED = {"hnswlib", "scann"}


def installed(name):
    missing = name in ("hnswlib", "scann") and importlib.util.find_spec(name) is None
    return pytest.param(name, marks=pytest.mark.skip(reason=f"no {name}")) if missing else name


def made(name, items=ITEMS, **changes):
    build, search = EXHAUSTIVE[name]
    kind = INDEXES[name]
    index = new_index(name, kind.build(**{**build, **changes}), device="cpu", seed=4)
    index.tune(kind.search(**search))
    index.train(items)
    index.add(items)
    return index


NAMES = [installed(name) for name in EXHAUSTIVE]
_MADE = {}


@pytest.fixture(params=NAMES)
def index(request):
    """Return the index, everything looked at; each is built once."""
    name = request.param
    if name not in _MADE:
        _MADE[name] = made(name)
    _MADE[name].tune(INDEXES[name].search(**EXHAUSTIVE[name][1]))
    return _MADE[name]


@pytest.fixture
def name(request, index):
    """Return the name of `index`."""
    return request.node.callspec.params["index"]


def test_told_to_leave_nothing_out_it_is_brute_force(index, name):
    """Ids and inner products of all pairs; of codes alone, of the vectors that they stand for."""
    if name in CODES_ALONE:
        decoded = index.decoded()
        found = index.search(QUERIES, 10)
        best = select_top_k(QUERIES @ decoded.T, 10)
        # fast scan rounds each table entry to a byte: what it ranks apart may be that near
        near = 0.02 if name == "ivf_pq_fast_scan" else 1e-3
        np.testing.assert_allclose(found.scores, best.scores, rtol=near, atol=10 * near)
        exact = np.take_along_axis(QUERIES @ decoded.T, found.ids, axis=1)
        np.testing.assert_allclose(found.scores, exact, rtol=near, atol=10 * near)
        return
    found = index.search(QUERIES, 10)
    np.testing.assert_array_equal(found.ids, BEST.ids)
    np.testing.assert_allclose(found.scores, BEST.scores, rtol=1e-4, atol=1e-4)


def test_codes_keep_the_order_of_inner_products(index, name):
    """Also of codes alone more than half of the best ten are there: it is no cosine or distance."""
    found = index.search(QUERIES, 10)
    share = np.mean([np.isin(a, b).mean() for a, b in zip(found.ids, BEST.ids, strict=True)])
    assert share > (0.5 if name in CODES_ALONE else 0.99)


def test_equal_items_stand_by_id(index, name):
    """Twenty items of the same vector, all asked for: ids ascend."""
    items = np.concatenate([np.tile(ITEMS[:1], (20, 1)), ITEMS[:300]])
    items[20:] *= 0.01  # far below
    twins = made(name, items, **({"bits": 4} if "bits" in EXHAUSTIVE[name][0] else {}))
    found = twins.search(ITEMS[:2], 20)
    assert found.ids[0].tolist() == list(range(20))


def test_what_is_not_found_is_padded(index, name):
    """Told to look into little, and asked for all: id -1 and score -inf, at the end, once each."""
    least = {one.name: 1 for one in dataclasses.fields(INDEXES[name].search)}
    index.tune(INDEXES[name].search(**least))
    for asked in (QUERIES, QUERIES[:1]):
        found = index.search(asked, N)
        pads = found.ids == -1
        assert (np.isneginf(found.scores) == pads).all()
        assert (np.diff(pads.astype(int), axis=1) >= 0).all()
        for ids in found.ids:
            kept = ids[ids >= 0]
            assert len(np.unique(kept)) == kept.size
        if "nprobe" in least:
            assert pads.any(axis=1).all()


def test_search_parameters_do_not_rebuild(index, name):
    """The least and the most of each, in turns: the same index, the same answers again."""
    kind, most = INDEXES[name], EXHAUSTIVE[name][1]
    answers = []
    for settings in (most, dict.fromkeys(most, 1), most):
        index.tune(kind.search(**settings))
        answers.append(index.search(QUERIES, 10).ids)
    np.testing.assert_array_equal(answers[0], answers[2])


def test_an_index_read_back_is_the_same(index, name, tmp_path):
    """Answers, bytes, number of items and, where they are held, vectors; parameters set stay."""
    build, search = EXHAUSTIVE[name]
    kind = INDEXES[name]
    loaded = new_index(name, kind.build(**build), device="cpu", seed=9)
    loaded.tune(kind.search(**search))
    index.save(tmp_path)
    loaded.load(tmp_path)
    first, second = index.search(QUERIES, 10), loaded.search(QUERIES, 10)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert (loaded.nbytes, loaded.n_items) == (index.nbytes, N)
    assert loaded.holds_vectors == (name not in CODES_ALONE)
    if loaded.holds_vectors:
        np.testing.assert_array_equal(loaded.vectors(), ITEMS)
    else:
        with pytest.raises(MethodError, match="holds codes, and not the vectors"):
            loaded.vectors()


def test_bytes_are_those_written(index, name, tmp_path):
    """By formula and in the file, apart by heads of 1 kB and 8 bytes a cell."""
    if name == "torch_flat":
        assert index.nbytes == N * DIM * 6  # float32 is written, bfloat16 made of it
        return
    index.save(tmp_path)
    written = sum(one.stat().st_size for one in tmp_path.glob("*.npy"))
    assert abs(written - index.nbytes) <= 1_000 + 8 * 12 + 128 * len(list(tmp_path.iterdir()))


def test_products_are_counted(index, name):
    """Of 40 queries that leave nothing out: each item, 12 centroids, the products done again."""
    before = index.distances
    index.search(QUERIES, 10)
    work = index.distances - before
    kind = INDEXES[name]
    if name in UNCOUNTED:
        assert work == 0
    elif name == "hnsw":
        assert 40 * 10 < work <= 40 * N * 2  # faiss counts a vector that it meets in two layers
    else:
        names = {one.name for one in dataclasses.fields(kind.search)}
        again = N if "k_factor" in names else 0
        assert work == 40 * (N + again + (12 if "nprobe" in names else 0))


def test_bfloat16_loses_little_and_a_second_look_finds_it(monkeypatch):
    """With 4 k candidates the lists are exact; blocks of two queries change nothing."""
    index = made("torch_flat")
    index.k_factor = 4
    np.testing.assert_array_equal(index.search(QUERIES, 10).ids, BEST.ids)
    monkeypatch.setattr("methods.ann.torch_flat.BLOCK_SCORES", 2 * N)
    np.testing.assert_array_equal(index.search(QUERIES, 10).ids, BEST.ids)
    index.k_factor = 1  # nothing to choose from: what bfloat16 ranks, with exact scores
    found = index.search(QUERIES, 10)
    exact = np.take_along_axis(QUERIES @ ITEMS.T, found.ids, axis=1)
    np.testing.assert_allclose(found.scores, exact, rtol=1e-5, atol=1e-5)
    assert isinstance(index, TorchFlat)


def test_refining_is_capped_by_the_catalogue(index, name):
    """Asked for all items, times any factor: every item once."""
    if "k_factor" in EXHAUSTIVE[name][1]:
        found = index.search(QUERIES[:3], N)
        np.testing.assert_array_equal(np.sort(found.ids, axis=1), np.tile(np.arange(N), (3, 1)))


@pytest.mark.parametrize(
    ("name", "build", "message"),
    [
        ("ivf_pq", {"dims_per_block": 5}, "dims_per_block = 5 must divide the 16 dimensions"),
        ("ivf_pq", {"bits": 11}, "bits = 11 asks for 2048 codewords a block, more than the"),
        ("ivf_pq_fast_scan", {"nlist": 1_501}, "nlist = 1501 exceeds the catalogue of 1500"),
    ],
)
def test_what_cannot_be_built_is_refused(name, build, message):
    """With the values in the message, before anything is trained."""
    with pytest.raises(MethodError, match=message):
        made(name, **build)


@pytest.mark.parametrize("name", ["ivf_pq_fast_scan", "ivf_pq_refine", "sq8", "hnsw", "scann"])
def test_an_index_of_the_cpu_names_those_of_a_gpu(name):
    """Asked for on a GPU: what runs there."""
    with pytest.raises(MethodError, match="runs on cpu, not on cuda; on cuda run flat, faiss_flat"):
        new_index(name, INDEXES[name].build(), device="cuda", seed=0)


@pytest.mark.parametrize("name", ["faiss_flat", "ivf", "ivf_pq", "cagra"])
def test_a_faiss_without_gpus_is_said_to_be(name):
    """Of each index that needs one; CAGRA is refused on the CPU too."""
    if hasattr(load_faiss(), "StandardGpuResources"):
        pytest.skip("this faiss has a GPU build")

    def on_a_gpu():
        built = new_index(name, INDEXES[name].build(), device="cuda", seed=0)
        built.train(ITEMS)
        built.add(ITEMS)

    with pytest.raises(MethodError, match="faiss has no GPU build here"):
        on_a_gpu()
    with pytest.raises(MethodError, match="'cagra' runs on cuda, not on cpu"):
        new_index("cagra", INDEXES["cagra"].build(), device="cpu", seed=0)


def test_a_missing_hnswlib_is_named_with_its_extra(monkeypatch):
    """Where it is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    with pytest.raises(MethodError, match="install the extra `hnswlib`"):
        HnswlibIndex(8, 8).add(ITEMS)


def test_the_table_is_the_only_list_of_names():
    """The choices of `index`, the flat parameters and the catalogue are those of the table."""
    assert list(get_args(IndexName)) == list(INDEXES)
    assert set(INDEXES) <= set(CATALOG)
    for kinds, flat in (("build", INDEX_PARAMS), ("search", get_type_hints(IndexSearch))):
        taken = {
            one.name
            for kind in INDEXES.values()
            for one in dataclasses.fields(getattr(kind, kinds))
        }
        assert taken == set(flat)


@pytest.mark.parametrize("name", INDEXES)
def test_defaults_of_the_flat_set_are_those_of_the_index(name):
    """A method that may have any index fills in what the index's own method has."""
    assert IndexParams(name).of_index == INDEXES[name].build()
    assert IndexSearch().of_index(name) == INDEXES[name].search()

"""Cells of vectors of unequal length: whose centroid is near, and what a query then looks at."""

import numpy as np
import pytest

from harness.topk import select_top_k
from methods.ann.ivf import FaissFastScan, FaissIVF, FaissIVFPQ
from methods.ann.params import IVFParams

RANDOM = np.random.default_rng(4)
N, DIM, K, CELLS = 8_000, 16, 20, 80
CENTRES = RANDOM.normal(size=(60, DIM))
ITEMS = CENTRES[RANDOM.integers(0, 60, N)] + 0.8 * RANDOM.normal(size=(N, DIM))
ITEMS = (ITEMS * RANDOM.lognormal(0, 0.5, (N, 1))).astype(np.float32)
QUERIES = (CENTRES + 0.8 * RANDOM.normal(size=(60, DIM))).astype(np.float32)
PRODUCTS = QUERIES.astype(np.float64) @ ITEMS.T.astype(np.float64)
BEST = select_top_k(PRODUCTS, K)
KINDS = {
    "ivf": lambda **space: FaissIVF(CELLS, 40, **space),
    "ivf_refine": lambda **space: FaissIVF(CELLS, 40, refined=True, **space),
    "ivf_pq": lambda **space: FaissIVFPQ(CELLS, 40, 2, 8, **space),
    "fast_scan": lambda **space: FaissFastScan(CELLS, 40, 2, **space),
}


def made(kind, **space):
    index = KINDS[kind](**space)
    index.train(ITEMS)
    index.add(ITEMS)
    return index


def looked_at(index, nprobe):
    """Return agreement with brute force and inner products a query."""
    index.nprobe, before = nprobe, index.distances
    found = index.search(QUERIES, K)
    agreement = np.mean([np.isin(a, b).mean() for a, b in zip(found.ids, BEST.ids, strict=True)])
    return agreement, (index.distances - before) / len(QUERIES)


@pytest.mark.parametrize("kind", ["ivf", "ivf_refine"])
@pytest.mark.parametrize("space", ["euclidean", "inner_product"])
def test_all_cells_are_exact(kind, space):
    """Whatever the cells: every one looked into finds what brute force finds."""
    index = made(kind, cell_space=space)
    index.nprobe = CELLS
    found = index.search(QUERIES, K)
    np.testing.assert_array_equal(found.ids, BEST.ids)
    exact = np.take_along_axis(PRODUCTS, found.ids, axis=1)
    np.testing.assert_allclose(found.scores, exact, rtol=1e-5)


def test_a_vector_is_in_the_cell_of_the_centroid_that_its_space_says():
    """By distance, of which the products with other centroids may be larger; or by product."""
    for space in ("euclidean", "inner_product"):
        base = made("ivf", cell_space=space)._base
        centroids = base.quantizer.reconstruct_n(0, CELLS)
        scores = ITEMS @ centroids.T
        if space == "euclidean":
            scores = scores - (centroids**2).sum(1) / 2
        else:
            np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, rtol=1e-5)
        cells = np.full(N, -1)
        import faiss

        for cell in range(CELLS):
            size = base.invlists.list_size(cell)
            ids = faiss.rev_swig_ptr(base.invlists.get_ids(cell), size) if size else []
            cells[ids] = cell
        own = np.take_along_axis(scores, cells[:, None], axis=1)[:, 0]
        np.testing.assert_allclose(own, scores.max(axis=1), rtol=1e-4, atol=1e-4)


def test_euclidean_cells_find_more_for_the_same_work():
    """For at most as many inner products the agreement is higher by a tenth; the default."""
    near, far = made("ivf"), made("ivf", cell_space="inner_product")
    found, work = looked_at(far, 8)
    probes = max(n for n in range(1, CELLS) if looked_at(near, n)[1] <= work)
    assert looked_at(near, probes)[0] > found + 0.1
    assert IVFParams().cell_space == "euclidean"


@pytest.mark.parametrize("kind", ["ivf_pq", "fast_scan"])
def test_scores_of_codes_are_products_with_what_the_codes_stand_for(kind):
    """Residuals are taken from, and added to, the same centroids; tables are rounded a little."""
    index = made(kind)
    index.nprobe = CELLS
    found = index.search(QUERIES, K)
    exact = np.take_along_axis(QUERIES @ index.decoded().T, found.ids, axis=1)
    np.testing.assert_allclose(found.scores, exact, atol=0.02 * np.abs(exact).max())
    errors = np.linalg.norm(index.decoded() - ITEMS, axis=1) / np.linalg.norm(ITEMS, axis=1)
    assert np.median(errors) < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_read_back_probes_the_same(kind, tmp_path):
    """Also into an object made for the other space: the file alone says which cells there are."""
    index, loaded = made(kind), KINDS[kind](cell_space="inner_product")
    index.save(tmp_path)
    loaded.load(tmp_path)
    loaded.nprobe = index.nprobe = 5
    first, second = index.search(QUERIES, K), loaded.search(QUERIES, K)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)

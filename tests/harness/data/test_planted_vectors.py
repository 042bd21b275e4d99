"""Planted vectors: nearest neighbours known by construction, at any size, from the seed alone."""

import numpy as np
import pytest

from harness.data import planted_vectors as module
from harness.data.log import content_hash
from harness.data.planted_vectors import FIELD, PlantedVectorsParams, planted_vectors
from harness.data.split_spec import parse_split
from harness.data.splits import split_log
from harness.topk import select_top_k

SPLIT = {"kind": "leave_last_out", "cold_items": "keep", "hide_seen": False}
SMALL = PlantedVectorsParams(n_items=4_000, n_queries=100, dim=32)


def vectors_of(log):
    return log.item_fields.columns[FIELD].values, log.user_fields.columns[FIELD].values


def test_exact_search_puts_the_planted_item_first():
    """With the defaults the relevant item of each of 1,000 queries is its best inner product."""
    log = planted_vectors(PlantedVectorsParams())
    parts = split_log(log, parse_split(SPLIT), "planted_vectors")
    assert parts.full_train.n_items == 10_000
    assert len(parts.test) == 1_000
    items, queries = vectors_of(log)
    best = select_top_k(queries[parts.test.queries.user_ids] @ items.T, 1)
    np.testing.assert_array_equal(best.ids[:, 0], parts.test.relevant.ids)


def test_the_truth_is_the_inner_product():
    """What the harness may ask as the best possible ranks as exact search does."""
    log = planted_vectors(SMALL)
    parts = split_log(log, parse_split(SPLIT), "planted_vectors")
    queries = parts.test.queries.take(np.array([3, 0]))
    items, vectors = vectors_of(log)
    asked = np.array([7, 3_999, 0])
    expected = vectors[queries.user_ids] @ items[asked].T
    np.testing.assert_allclose(parts.truth.score(queries, asked), expected, rtol=1e-6)


def test_vectors_are_of_length_one_and_float32():
    """Inner products are cosines."""
    for values in vectors_of(planted_vectors(SMALL)):
        assert values.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)


def test_the_seed_alone_decides(monkeypatch):
    """The same seed the same log, another seed another; blocks are drawn one after another."""
    first = content_hash(planted_vectors(SMALL))
    assert content_hash(planted_vectors(SMALL)) == first
    other = PlantedVectorsParams(n_items=4_000, n_queries=100, dim=32, seed=1)
    assert content_hash(planted_vectors(other)) != first
    monkeypatch.setattr(module, "_BLOCK", 1_000)
    assert content_hash(planted_vectors(SMALL)) == first


def test_items_of_a_cluster_lie_together():
    """Two clusters of spread 0.1: cosines within are above 0.9, across far below."""
    params = PlantedVectorsParams(n_items=200, n_queries=5, dim=64, n_clusters=2, spread=0.1)
    items, _ = vectors_of(planted_vectors(params))
    cosines = items @ items.T
    near = cosines[0] > 0.5
    assert 0 < near.sum() < 200
    assert cosines[np.ix_(near, near)].min() > 0.9
    assert cosines[np.ix_(~near, ~near)].min() > 0.9
    assert cosines[np.ix_(near, ~near)].max() < 0.6


def test_the_skew_makes_clusters_unequal():
    """Zipf 1 over 4 clusters: shares 12/25, 6/25, 4/25, 3/25; without skew a quarter each."""
    for skew, expected in ((1.0, [0.12, 0.16, 0.24, 0.48]), (0.0, [0.25] * 4)):
        params = PlantedVectorsParams(
            n_items=8_000, n_queries=1, dim=32, n_clusters=4, spread=0.05, skew=skew
        )
        items, _ = vectors_of(planted_vectors(params))
        left, shares = np.arange(8_000), []
        while left.size:
            same = items[left] @ items[left[0]] > 0.8
            shares.append(same.sum() / 8_000)
            left = left[~same]
        assert sorted(shares) == pytest.approx(expected, abs=0.02)


def test_a_catalogue_may_be_tiny():
    """Three items are enough for the three events of a user."""
    log = planted_vectors(PlantedVectorsParams(n_items=3, n_queries=2, dim=2))
    assert sorted(log.item_ids[:3].tolist()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_items": 2}, "n_items = 2 must be at least 3"),
        ({"n_queries": 0}, "n_queries = 0"),
        ({"dim": 0}, "dim = 0 at least 1"),
        ({"n_clusters": 10_001}, "n_clusters = 10001 must lie in 0..n_items"),
        ({"spread": 0.0}, "spread = 0.0"),
        ({"skew": -1.0}, "skew = -1.0 must not be negative"),
    ],
)
def test_what_makes_no_sense_is_refused(params, message):
    """The message says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        PlantedVectorsParams(**params)

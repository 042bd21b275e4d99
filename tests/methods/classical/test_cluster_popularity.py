"""ClusterPopularity: who is like whom, and what they like, against scores by hand and sorting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.topk import select_top_k
from methods.classical.cluster_popularity import (
    ClusterPopularity,
    ClusterPopularityParams,
    cluster,
    item_vectors,
)

# Two camps: users 0 to 2 meet items 0 to 2, users 3 and 4 meet items 3 to 5; item 6 is met by none.
LOG = Interactions(Lists.of([[0, 1], [0, 1, 2], [0, 2], [3, 4, 5], [3, 4]]), 7)


def queries(history, hidden=None):
    n = len(history)
    none = Lists.empty(n) if hidden is None else Lists.of(hidden)
    return Queries(np.full(n, -1), Lists.of(history), none)


def fitted(log=LOG, seed=0, **given):
    method = ClusterPopularity(ClusterPopularityParams(**given), seed=seed)
    method.fit(log)
    method.build()
    return method


def test_scores_by_hand():
    """Shrinkage 1; camp one has n = 3: item 0 (3 + 3/5) / 4, 1 and 2 (2 + 2/5) / 4, 3 (2/5) / 4."""
    found = fitted(n_clusters=2, dim=2, shrinkage=1.0).search(queries([[0, 1], [5]]), 7)
    assert found.ids.tolist() == [[0, 1, 2, 3, 4, 5, 6], [3, 4, 5, 0, 1, 2, 6]]
    first = [0.9, 0.6, 0.6, 0.1, 0.1, 0.05, 0]
    second = [2.4 / 3, 2.4 / 3, 1.2 / 3, 0.2, 0.4 / 3, 0.4 / 3, 0]
    np.testing.assert_allclose(found.scores, [first, second], rtol=1e-6)


def test_without_shrinkage_only_the_cluster_counts():
    """Camp two of two users: items 3 and 4 by both, 5 by one, then pads; and -inf in score."""
    method, asked = fitted(n_clusters=2, dim=2, shrinkage=0.0), queries([[4]])
    found = method.search(asked, 5)
    assert found.ids.tolist() == [[3, 4, 5, -1, -1]]
    assert found.scores.tolist() == [[1, 1, 0.5, -np.inf, -np.inf]]
    assert method.score(asked, np.array([0, 5])).tolist() == [[-np.inf, 0.5]]


@pytest.mark.parametrize("shrinkage", [0.0, 1.0])
@pytest.mark.parametrize("history", [[], [6]])
def test_who_is_like_nobody_gets_what_is_popular(history, shrinkage):
    """No history, or one that nobody has met: shares 3/5, then 2/5 four times, 1/5, 0."""
    found = fitted(n_clusters=2, dim=2, shrinkage=shrinkage).search(queries([history]), 7)
    assert found.ids.tolist() == [[0, 1, 2, 3, 4, 5, 6]]
    np.testing.assert_allclose(found.scores, [[0.6, 0.4, 0.4, 0.4, 0.4, 0.2, 0]], rtol=1e-6)


def test_an_item_met_twice_counts_once():
    """Repeated events change no share."""
    lists = [[0, 1, 0, 0], [0, 1, 2], [0, 2], [3, 4, 5], [3, 4]]
    twice = Interactions(Lists.of(lists), 7)
    asked = queries([[], [0]])
    once, more = (
        fitted(one, n_clusters=2, dim=2).score(asked, np.arange(7)) for one in (LOG, twice)
    )
    np.testing.assert_array_equal(once, more)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    n_clusters=st.integers(1, 6),
    shrinkage=st.sampled_from([0.0, 0.5, 3.0]),
    k=st.integers(1, 15),
)
def test_search_is_the_best_of_score(seed, n_clusters, shrinkage, k):
    """Random logs with empty users, hidden items and ties: every list as sorting gives it."""
    random = np.random.default_rng(seed)

    def some(n, most):
        return [sorted(set(random.integers(0, 15, random.integers(0, most)))) for _ in range(n)]

    method = fitted(
        Interactions(Lists.of(some(12, 6)), 15), n_clusters=n_clusters, dim=3, shrinkage=shrinkage
    )
    asked = queries(some(5, 4), some(5, 14))
    best = select_top_k(method.score(asked, np.arange(15)), k, asked.hidden)
    for _ in range(2):  # what one call leaves behind does not change the next
        found = method.search(asked, k)
        np.testing.assert_array_equal(found.ids, best.ids)
        np.testing.assert_array_equal(found.scores, best.scores)


def test_the_vectors_are_the_truncated_decomposition():
    """Inner products of all but the least singular direction, against numpy's own."""
    from_numpy = np.random.default_rng(0).integers(0, 2, (9, 6)).astype(float)
    _, values, right = np.linalg.svd(from_numpy, full_matrices=False)
    expected = (right[:4].T * values[:4]) @ right[:4]
    vectors = item_vectors(csr_array(from_numpy), 4, seed=1)
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_clusters_are_found():
    """Three heaps far apart, more centroids asked for than there are distinct points."""
    points = np.repeat(np.eye(3, dtype=np.float32), [4, 2, 1], axis=0)
    centroids, assigned = cluster(points, 5, seed=0)
    assert len(centroids) == 3
    np.testing.assert_array_equal(centroids[assigned], points)


def test_the_mean_is_where_a_cluster_ends():
    """Each centroid is the mean of the vectors nearest to it."""
    points = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    centroids, assigned = cluster(points, 7, seed=0)
    for number, centroid in enumerate(centroids):
        nearest = ((points[:, None] - centroids) ** 2).sum(2).argmin(1)
        np.testing.assert_array_equal(nearest, assigned)
        np.testing.assert_allclose(points[assigned == number].mean(0), centroid, atol=1e-5)


@pytest.mark.parametrize(("n_users", "n_items"), [(1, 5), (5, 1), (1, 1)])
def test_a_log_with_nothing_to_decompose_is_served(n_users, n_items):
    """One user or one item: popularity is left."""
    log = Interactions(Lists.of([[0]] * n_users), n_items)
    found = fitted(log).search(queries([[0], []]), n_items)
    assert found.ids[:, 0].tolist() == [0, 0]
    assert (found.scores[:, 0] == 1).all()


def test_counters_and_bytes_by_hand():
    """Two queries, two centroids; both read 3 postings, and the first passes over items 0 to 2."""
    method = fitted(n_clusters=2, dim=2)
    method.search(queries([[0], [3]]), 2)
    assert method.counters() == {"distances": 4, "postings": 9}
    vectors, centroids, starts = 7 * 2 * 4, 2 * 2 * 4, 4 * 8
    postings, order, weights, stamps = 6 * 8, 7 * 8, 3 * 4, 8 * 8
    account = vectors + centroids + starts + postings + order + weights + stamps
    assert method.footprint().index_bytes == account
    assert method.footprint().details == {"postings": 6, "clusters": 2}


@pytest.mark.parametrize("given", [{"n_clusters": 0}, {"dim": 0}, {"shrinkage": -1.0}])
def test_senseless_values_are_refused(given):
    """With the name in the message."""
    with pytest.raises(ValueError, match=next(iter(given))):
        ClusterPopularityParams(**given)

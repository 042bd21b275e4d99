"""ClusterPopularity: every user is offered what is popular among users like them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from harness.arrays import Array, load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.seeding import generator
from harness.spaces import Range, Space
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.classical.cluster_kernels import history_directions, nearest_centroids, walk_lists

KIND = "cluster_popularity"  # of what is saved
SAVED = ("vectors", "centroids", "starts", "items", "scores", "order", "shares", "weights")
BLOCK_DISTANCES = 1 << 24  # held at once in k-means: 64 MB
ITERATIONS = 20  # of k-means; it ends before where nobody moves


@dataclass(frozen=True, slots=True)
class ClusterPopularityParams:
    """Size and smoothing.

    Attributes
    ----------
    n_clusters : of training users; at most as many as have events.
    dim : singular vectors kept; at most one less than there are users and items.
    shrinkage : users with the catalogue's popularity that each cluster is given beside its own.
    """

    n_clusters: int = 100
    dim: int = 64
    shrinkage: float = 1.0

    def __post_init__(self) -> None:
        if self.n_clusters < 1 or self.dim < 1:
            raise ValueError(
                f"n_clusters = {self.n_clusters} and dim = {self.dim} must be at least 1"
            )
        if not self.shrinkage >= 0:
            raise ValueError(f"shrinkage = {self.shrinkage} must not be negative")


class ClusterPopularity(Retriever):
    """Rank items by their popularity in the cluster of training users nearest to the query.

    It is an inverted index with one token, one codebook, and popularity for a score: the control
    without interaction for SparCode ("semi-personalised" where it was published). A query's vector
    is the mean of its history's item vectors, which come from a truncated singular value
    decomposition of the user-item matrix (1 where a user has met an item), each dimension weighted
    by the root of its singular value; means are put on the unit sphere. The published method
    predicts the vector of a user without history by a trained network; the mean, the sphere and the
    smoothing are ours.

    An item's score in a cluster of n users, c of whom have met it, is (c + s p) / (n + s), with p
    the share of all users and s the shrinkage; with s = 0 an item that none of them has met has no
    score. A query without history, or whose history nobody has met, gets p.

    Cost: the decomposition, k-means over the users, and one posting for each item that a cluster's
    users have met. A search compares n_clusters centroids and walks one list beside the list of all
    items by popularity. Not to be searched by two threads at a time.

    References
    ----------
    Briand, Salha-Galvan, Bendada, Morlon and Tran, "A Semi-Personalized System for User Cold Start
    Recommendation on Music Streaming Apps", KDD 2021, section 3.
    """

    BuildParams: ClassVar[type[ClusterPopularityParams]] = ClusterPopularityParams
    TuneSpace: ClassVar[Space] = {
        "n_clusters": Range(10, 500, log=True),
        "dim": (16, 32, 64, 128),
        "shrinkage": Range(0.1, 100.0, log=True),
    }
    capabilities = frozenset({Capability.SCORE, Capability.COUNTERS, Capability.SAVE})
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)
    build_params: ClusterPopularityParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Find item vectors and the clusters of the users."""
        keys = np.unique(train.events.rows * train.n_items + train.events.ids)
        users, items = np.divmod(keys, train.n_items)
        ones = np.ones(keys.size)
        met = csr_array((ones, (users, items)), (train.n_users, train.n_items))
        self._vectors = item_vectors(met, self.build_params.dim, self.seed)
        directions = history_directions(*_plain(train.events), self._vectors)
        placed = np.flatnonzero((directions != 0).any(axis=1))
        self._centroids, assigned = cluster(
            directions[placed], self.build_params.n_clusters, self.seed
        )
        clusters = np.full(train.n_users, len(self._centroids))  # the last: users without a place
        clusters[placed] = assigned
        self._sizes = np.bincount(clusters, minlength=len(self._centroids) + 1)
        members = csr_array(
            (np.ones(train.n_users), (clusters, np.arange(train.n_users))),
            (len(self._sizes), train.n_users),
        )
        self._counts = csr_array(members @ met)
        self._popularity = np.bincount(items, minlength=train.n_items)

    def build(self) -> None:
        """Order the items of each cluster, and all items, by score."""
        counts, s, n_users = self._counts, self.build_params.shrinkage, int(self._sizes.sum())
        counts.sort_indices()
        shares = self._popularity / max(n_users, 1)
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        kept = rows < len(self._centroids)  # who has no place is served by all
        rows, items = rows[kept], counts.indices[kept].astype(np.int32)
        scores = (counts.data[kept] + s * shares[items]) / (self._sizes[rows] + s)
        self._scores = scores.astype(np.float32)
        order = np.lexsort((items, -self._scores, rows))
        lengths = np.bincount(rows, minlength=counts.shape[0])
        self._starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        self._items, self._scores = items[order], self._scores[order]
        self._order = np.argsort(-self._popularity, kind="stable").astype(np.int32)
        self._shares = shares[self._order].astype(np.float32)
        weights = s / np.maximum(self._sizes + s, 1e-30)
        weights[-1] = 1.0
        self._weights = weights.astype(np.float32)
        self._start()
        self.mark("index_build")

    def _start(self) -> None:
        self._stamps = np.zeros(self._order.size + 1, np.int64)
        self._work = {"distances": 0, "postings": 0}

    def _clusters(self, queries: Queries) -> IntArray:
        """Return the cluster of each query, int64 (n,), n_clusters for one without a place."""
        directions = history_directions(*_plain(queries.history), self._vectors)
        clusters = nearest_centroids(directions, self._centroids)
        clusters[~directions.any(axis=1)] = len(self._centroids)
        return clusters

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items of the largest scores in each query's cluster."""
        clusters = self._clusters(queries)
        self._work["distances"] += len(queries) * len(self._centroids)
        self.mark("encode")
        shape = (len(queries), k)
        ids, scores = np.full(shape, PAD_ID, np.int64), np.full(shape, PAD_SCORE, np.float32)
        lists = (self._starts, self._items, self._scores)
        popular = (self._order, self._shares, self._weights)
        self._work["postings"] += walk_lists(
            clusters, *lists, *popular, *_plain(queries.hidden), self._stamps, ids, scores
        )
        self.mark("top_k")
        return TopK(ids, scores)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return each item's score in each query's cluster, float32 (n, n_item_ids)."""
        clusters, shares = self._clusters(queries), np.empty(self._order.size, np.float32)
        shares[self._order] = self._shares
        scores = np.empty((len(queries), item_ids.size), np.float32)
        for one in np.unique(clusters):
            row = self._weights[one] * shares
            if self._weights[one] == 0:
                row[:] = PAD_SCORE
            entries = slice(self._starts[one], self._starts[one + 1])
            row[self._items[entries]] = self._scores[entries]
            scores[clusters == one] = row[item_ids]
        return scores

    def footprint(self) -> Footprint:
        """Return the bytes of vectors, centroids and lists; how many postings and clusters."""
        details = {"postings": self._items.size, "clusters": len(self._centroids)}
        n_bytes = sum(one.nbytes for one in self._arrays().values())
        return Footprint(n_bytes + self._stamps.nbytes, details)

    def counters(self) -> Mapping[str, int]:
        """Return centroids compared and list entries read, over all searches."""
        return dict(self._work)

    def save(self, folder: Path) -> None:
        """Write vectors, centroids and lists."""
        save_arrays(folder, KIND, self._arrays())

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        arrays, _ = load_arrays(folder, KIND)
        for name in SAVED:
            setattr(self, f"_{name}", arrays[name])
        self._start()

    def _arrays(self) -> dict[str, Array]:
        return {name: getattr(self, f"_{name}") for name in SAVED}


def item_vectors(met: csr_array, dim: int, seed: int) -> FloatArray:
    """Return the right singular vectors times the roots of their values, float32 (n_items, dim).

    ``met`` is float64 (n_users, n_items). Where it has one row or one column, or no entry, there
    is nothing to decompose: all vectors are 0.
    """
    n_kept = min(dim, min(met.shape) - 1)
    if n_kept < 1 or met.nnz == 0:
        return np.zeros((met.shape[1], 1), np.float32)
    start = generator(seed, "svd").standard_normal(min(met.shape))
    _, values, right = svds(met, k=n_kept, v0=start)
    return np.ascontiguousarray(right.T * np.sqrt(np.maximum(values, 0)), np.float32)


def cluster(vectors: FloatArray, n_clusters: int, seed: int) -> tuple[FloatArray, IntArray]:
    """Return centroids float32 (at most n_clusters, dim) and the nearest of each vector.

    Lloyd's iterations from distinct vectors drawn by lot. A centroid that no vector is nearest to
    stays where it is, and is left out in the end.
    """
    distinct = np.unique(vectors, axis=0)
    chosen = generator(seed, "kmeans").permutation(len(distinct))[:n_clusters]
    centroids = np.ascontiguousarray(distinct[np.sort(chosen)])
    assigned = _nearest(vectors, centroids)
    for _ in range(ITERATIONS):
        ones, rows = np.ones(len(vectors), np.float32), np.arange(len(vectors))
        members = csr_array((ones, (assigned, rows)), (len(centroids), len(vectors)))
        sizes = np.bincount(assigned, minlength=len(centroids))
        used = sizes > 0
        centroids[used] = (members @ vectors)[used] / sizes[used, None]
        before, assigned = assigned, _nearest(vectors, centroids)
        if np.array_equal(before, assigned):
            break
    kept, assigned = np.unique(assigned, return_inverse=True)
    return centroids[kept], assigned


def _nearest(vectors: FloatArray, centroids: FloatArray) -> IntArray:
    """Return the centroid at the least squared distance of each vector, in blocks."""
    if not len(centroids):
        return np.zeros(0, np.int64)
    halves = (centroids * centroids).sum(axis=1) / 2
    rows = max(1, BLOCK_DISTANCES // len(centroids))
    parts = [
        np.argmin(halves - vectors[start : start + rows] @ centroids.T, axis=1)
        for start in range(0, len(vectors), rows)
    ]
    return np.concatenate(parts)


def _plain(lists: Lists) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return both arrays as the kernels take them: contiguous and writable."""
    return np.require(lists.indptr, None, ["C", "W"]), np.require(lists.ids, None, ["C", "W"])

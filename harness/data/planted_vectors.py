"""Planted vectors: a catalogue of any size whose nearest neighbours are known by construction."""

from dataclasses import dataclass

import numpy as np

from harness.data.log import Log
from harness.fields import Dense, Fields
from harness.interactions import Queries
from harness.lists import FloatArray, IntArray
from harness.seeding import generator

FIELD = "vector"  # of items and of users; what vector indexes take
EVENTS = 3  # of a user: two of the neighbourhood, then the item its vector was drawn near
_BLOCK = 1 << 16  # vectors drawn at once: 16 MB at 64 dimensions
_START_S = 1_700_000_000  # any moment will do
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class PlantedVectorsParams:
    """Size and shape.

    Attributes
    ----------
    n_items, n_queries : item vectors, and users with a query vector each.
    dim : length of the vectors.
    n_clusters : clusters of items; 0 stands for the square root of n_items.
    skew : Zipf exponent of the cluster sizes; 0 makes them equal.
    spread : length of the noise that is added to a cluster's centre, itself of length 1.
    query_spread : length of the noise that is added to an item to make a query.
    seed : of the draw.
    """

    n_items: int = 10_000
    n_queries: int = 1_000
    dim: int = 64
    n_clusters: int = 0
    skew: float = 0.5
    spread: float = 0.8
    query_spread: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_items < EVENTS or self.n_queries < 1 or self.dim < 1:
            raise ValueError(
                f"n_items = {self.n_items} must be at least {EVENTS}, n_queries = "
                f"{self.n_queries} and dim = {self.dim} at least 1"
            )
        if not 0 <= self.n_clusters <= self.n_items:
            raise ValueError(f"n_clusters = {self.n_clusters} must lie in 0..n_items")
        if self.skew < 0 or self.spread <= 0 or self.query_spread <= 0:
            raise ValueError(
                f"skew = {self.skew} must not be negative, spread = {self.spread} and "
                f"query_spread = {self.query_spread} must be above 0"
            )


@dataclass(frozen=True, slots=True)
class VectorTruth:
    """The inner product of a query's and an item's vector; ``vectors`` float32 (n_items, dim)."""

    vectors: FloatArray

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the inner products, float32 (n, n_item_ids)."""
        column = None if queries.fields is None else queries.fields.columns[FIELD]
        if not isinstance(column, Dense):
            raise ValueError(f"the truth needs the dense query field {FIELD!r}")
        return np.asarray(column.values @ self.vectors[item_ids].T)


def planted_vectors(params: PlantedVectorsParams) -> Log:
    """Draw the log: item vectors of a clustered mixture on the unit sphere, queries near items.

    A cluster's centre is uniform on the sphere; an item is its centre plus Gaussian noise, put back
    on the sphere. A query is an item plus less noise. Users have three events: two items of the
    cluster (of the next where it ends) and, last, the item that the query was drawn near.

    Known answer: with `leave_last_out` (``cold_items = "keep"``: most items have no event) the
    relevant item is the one the query was drawn near, and exact search puts it first: with the
    defaults for each of the 1,000 queries at 10^4, 10^5 and 10^6 items. ``ann_recall`` needs no
    answer of the log: it is agreement with exact search.

    Cost: n_items * dim numbers, drawn in blocks; nothing of the size n_queries * n_items.
    """
    rng = generator(params.seed, "planted_vectors")
    n_clusters = params.n_clusters or max(1, round(params.n_items**0.5))
    sizes = np.arange(1, n_clusters + 1, dtype=np.float64) ** -params.skew
    clusters = rng.choice(n_clusters, size=params.n_items, p=sizes / sizes.sum())
    centres = _on_sphere(rng.standard_normal((n_clusters, params.dim), np.float32))
    vectors = np.empty((params.n_items, params.dim), np.float32)
    for start in range(0, params.n_items, _BLOCK):
        rows = slice(start, start + _BLOCK)
        vectors[rows] = _near(centres[clusters[rows]], params.spread, rng)
    order = np.argsort(clusters, kind="stable")
    places = rng.integers(params.n_items, size=params.n_queries)
    picked = order[(places[:, None] + np.array([1, 2, 0])) % params.n_items]  # (n_queries, EVENTS)
    queries = _near(vectors[picked[:, -1]], params.query_spread, rng)
    users = np.arange(params.n_queries, dtype=np.int64)
    return Log(
        user_ids=np.repeat(users, EVENTS),
        item_ids=picked.ravel().astype(np.int64),
        n_users=params.n_queries,
        n_items=params.n_items,
        timestamps=np.tile(_START_S + _DAY_S * np.arange(EVENTS, dtype=np.int64), users.size),
        ordered=True,
        user_fields=Fields(params.n_queries, {FIELD: Dense(queries)}),
        item_fields=Fields(params.n_items, {FIELD: Dense(vectors)}),
        truth=VectorTruth(vectors),
    )


def _near(points: FloatArray, spread: float, rng: np.random.Generator) -> FloatArray:
    """Return a unit vector near each of ``points``, the noise being about ``spread`` long."""
    noise = rng.standard_normal(points.shape, np.float32)
    noise *= np.float32(spread / points.shape[1] ** 0.5)
    noise += points
    return _on_sphere(noise)


def _on_sphere(points: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
    return np.asarray(points / np.maximum(lengths, np.float32(1e-30)))

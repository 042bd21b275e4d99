"""Planted log: a realistic mixture of popularity, clusters, field crosses and noise; no file."""

from dataclasses import dataclass

import numpy as np

from harness.data.log import Log
from harness.data.planted import Cross, PlantedTruth, balanced, draw_log, zipf
from harness.data.planted_crosses import cross_table
from harness.fields import Categorical, Fields, MultiValued
from harness.lists import IntArray, Lists
from harness.seeding import generator

_N_VALUES = 16  # values of each crossed field
_USER_FIELDS = ("region", "device")
_ITEM_FIELDS = ("style", "format")


@dataclass(frozen=True, slots=True)
class PlantedLogParams:
    """Size and strength.

    Attributes
    ----------
    n_users, n_items : users and items.
    n_clusters : clusters of users and of items.
    min_events, max_events : events of a user are drawn evenly from this range.
    skew : Zipf exponent of the items' popularity.
    taste : items of the own cluster are e^taste times as likely as those of another.
    beta : strength of each of the two field crosses, as in `planted_crosses`.
    noise : share of picks made by popularity alone.
    seed : of the draw.
    """

    n_users: int = 3000
    n_items: int = 5000
    n_clusters: int = 20
    min_events: int = 20
    max_events: int = 40
    skew: float = 0.8
    taste: float = 5.0
    beta: float = 2.0
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.min_events <= self.max_events <= self.n_items:
            raise ValueError(
                f"min_events = {self.min_events} and max_events = {self.max_events} must satisfy "
                "1 <= min_events <= max_events <= n_items"
            )
        if not 1 <= self.n_clusters <= min(self.n_users, self.n_items):
            raise ValueError(f"n_clusters = {self.n_clusters} must lie in 1..n_users and n_items")
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise = {self.noise} must lie in [0, 1)")


def planted_log(params: PlantedLogParams) -> Log:
    """Draw the log by the planted model, with a taste for the own cluster and two crosses.

    What methods see: the crossed fields (``region``, ``device`` of users; ``style``, ``format`` of
    items), ``interests`` of users and ``tags`` of items (multi-valued: ids near the cluster's,
    some at random) and the history. The truth infers a user's cluster from the history alone,
    which settles it after a few events; ``interests`` and ``tags`` add nothing to it then.

    Known answer: the truth's ranking. Defaults, seed 0, NDCG@10 of all users, best possible and
    popularity: split `random_per_user` (0.2) 0.443 and 0.059; `per_user_temporal` (0.2) 0.294 and
    0.052; `leave_last_out` 0.167 and 0.028. A user's later picks are the less likely ones.
    """
    rng = generator(params.seed, "planted_log")
    n = params.n_clusters
    user_clusters = balanced(params.n_users, n, rng)
    item_clusters = balanced(params.n_items, n, rng)
    f = {name: balanced(params.n_users, _N_VALUES, rng) for name in _USER_FIELDS}
    g = {name: balanced(params.n_items, _N_VALUES, rng) for name in _ITEM_FIELDS}
    truth = PlantedTruth(
        popularity=zipf(params.n_items, params.skew, rng),
        item_clusters=item_clusters,
        taste=params.taste * np.eye(n),
        crosses=tuple(
            Cross(mine, g[other], params.beta * cross_table(_N_VALUES, rng))
            for mine, other in zip(_USER_FIELDS, _ITEM_FIELDS, strict=True)
        ),
        noise=params.noise,
    )
    return draw_log(
        truth,
        user_clusters,
        rng.integers(params.min_events, params.max_events + 1, size=params.n_users),
        rng,
        user_fields=_fields(f, "interests", _tags(user_clusters, n, rng)),
        item_fields=_fields(g, "tags", _tags(item_clusters, n, rng)),
    )


def _tags(clusters: IntArray, n_clusters: int, rng: np.random.Generator) -> MultiValued:
    """Return 0 to 3 distinct tags of 2 n_clusters per row, two in three from the cluster's own."""
    n = clusters.size
    own = 2 * clusters[:, None] + rng.integers(2, size=(n, 3))
    tags = np.where(rng.random((n, 3)) < 2 / 3, own, rng.integers(2 * n_clusters, size=(n, 3)))
    tags.sort(axis=1)
    kept = np.arange(3) < rng.integers(4, size=n)[:, None]
    kept[:, 1:] &= tags[:, 1:] != tags[:, :-1]
    rows, places = np.nonzero(kept)
    return MultiValued(Lists.from_pairs(rows, tags[rows, places], n), 2 * n_clusters)


def _fields(crossed: dict[str, IntArray], name: str, tags: MultiValued) -> Fields:
    columns = {one: Categorical(ids, _N_VALUES) for one, ids in crossed.items()}
    return Fields(len(tags), {**columns, name: tags})

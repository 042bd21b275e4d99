"""The planted model: the one formula from which every synthetic log is drawn and judged.

The probability that user u picks item i next is, over the items not picked before,

    p(i | u) = (1 - noise) * exp(w(u, i)) / sum_k exp(w(u, k)) + noise * popularity(i)
    w(u, i)  = log popularity(i) + taste[cluster(u), cluster(i)]
             + sum_j table_j[f_j(u), g_j(i)]

with f_j a field of the user that methods see, g_j one of the item, and the user's cluster unseen:
it shows in the history only.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.data.log import Log, arrange
from harness.fields import Categorical, Fields
from harness.interactions import Queries
from harness.lists import FloatArray, IntArray, Lists

Float64Array = npt.NDArray[np.float64]

_BLOCK = 256  # queries scored at once: a block holds 256 x n_items float64 values a few times over
_START_S = 1_700_000_000  # any moment will do
_YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Cross:
    """One term of w: ``table[f(u), g(i)]``.

    Attributes
    ----------
    query_field : name of the user's categorical field that holds f.
    item_values : int64 (n_items,), g of each item.
    table : float64 (n_query_values, n_item_values), in units of log probability.
    """

    query_field: str
    item_values: IntArray
    table: Float64Array


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """The planted model as a judge: the log probability of each item, given what can be known.

    A user's cluster is not given but inferred: its posterior under a uniform prior and the query's
    history, by the model itself. So the truth serves users of any split, known or not, and knows
    exactly what a method could know.

    Attributes
    ----------
    popularity : float64 (n_items,), positive, sums to 1.
    item_clusters : int64 (n_items,)
    taste : float64 (n_user_clusters, n_item_clusters), log weights.
    crosses : the terms of fields.
    noise : share of picks made by popularity alone, in [0, 1).
    """

    popularity: Float64Array
    item_clusters: IntArray
    taste: Float64Array
    crosses: tuple[Cross, ...] = ()
    noise: float = 0.0
    _members: Float64Array = field(init=False, repr=False)  # (n_items, n_item_clusters), one-hot

    def __post_init__(self) -> None:
        members = np.eye(self.taste.shape[1])[self.item_clusters]
        object.__setattr__(self, "_members", members)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the log probability of each item for each query, float32 (n, n_item_ids)."""
        scores = np.empty((len(queries), item_ids.size), np.float32)
        for start in range(0, len(queries), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(queries)), dtype=np.int64)
            block = queries.take(rows)
            weights = self._weights(block.fields, len(block))
            mixed = self._expected_taste(weights, block.history)
            with np.errstate(divide="ignore"):  # log 0: an item that is never picked
                scores[rows] = np.log(self._blend(weights, mixed)[:, item_ids])
        return scores

    def probabilities(self, user_fields: Fields | None, clusters: IntArray) -> Float64Array:
        """Return p(i | u) of users whose clusters are known, float64 (n, n_items)."""
        weights = self._weights(user_fields, clusters.size)
        tastes = np.exp(self.taste)
        totals = np.take_along_axis(self._totals(weights), clusters[:, None], axis=1)
        return self._blend(weights, tastes[clusters] / totals)

    def _weights(self, user_fields: Fields | None, n: int) -> Float64Array:
        """Return exp(w) without the clusters' part, (n, n_items)."""
        logs = np.broadcast_to(np.log(self.popularity), (n, self.popularity.size)).copy()
        for cross in self.crosses:
            column = None if user_fields is None else user_fields.columns[cross.query_field]
            if not isinstance(column, Categorical):
                raise ValueError(f"the truth needs the categorical field {cross.query_field!r}")
            logs += cross.table[:, cross.item_values][column.ids]
        return np.asarray(np.exp(logs))

    def _totals(self, weights: Float64Array) -> Float64Array:
        """Return the sum of exp(w) over items for each possible cluster, (n, n_user_clusters)."""
        return np.asarray(weights @ self._members @ np.exp(self.taste).T)

    def _expected_taste(self, weights: Float64Array, history: Lists) -> Float64Array:
        """Return the mean over the posterior of exp(taste) / total, (n, n_item_clusters)."""
        tastes = np.exp(self.taste)
        totals = self._totals(weights)
        rows, items = history.rows, history.ids
        chosen = tastes[:, self.item_clusters[items]].T / totals[rows]  # (n_ids, n_user_clusters)
        chosen *= (1 - self.noise) * weights[rows, items][:, None]
        chosen += self.noise * self.popularity[items][:, None]
        evidence = np.zeros_like(totals)
        with np.errstate(divide="ignore"):  # log 0: the history rules this cluster out
            np.add.at(evidence, rows, np.log(chosen))
        posterior = np.exp(evidence - evidence.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        return np.asarray((posterior / totals) @ tastes)

    def _blend(self, weights: Float64Array, tastes: Float64Array) -> Float64Array:
        """Return p from exp(w) without clusters and the normalised taste of each item cluster."""
        picked = weights * tastes[:, self.item_clusters]
        return np.asarray((1 - self.noise) * picked + self.noise * self.popularity)


def draw_log(
    truth: PlantedTruth,
    clusters: IntArray,
    counts: IntArray,
    rng: np.random.Generator,
    *,
    user_fields: Fields | None = None,
    item_fields: Fields | None = None,
) -> Log:
    """Return a log drawn from ``truth``, with ``counts[u]`` events of user u in the order picked.

    Events are spread evenly over one year; no two events of a user share a second.
    """
    events = draw_events(truth, user_fields, clusters, counts, rng)
    user_ids = events.rows
    times = rng.integers(_YEAR_S, size=user_ids.size)
    times = (
        times[np.lexsort((times, user_ids))] + np.arange(user_ids.size) - events.indptr[user_ids]
    )
    return arrange(
        Log(
            user_ids=user_ids,
            item_ids=events.ids,
            n_users=counts.size,
            n_items=truth.popularity.size,
            timestamps=_START_S + times,
            ordered=True,
            user_fields=user_fields,
            item_fields=item_fields,
            truth=truth,
        )
    )


def draw_events(
    truth: PlantedTruth,
    user_fields: Fields | None,
    clusters: IntArray,
    counts: IntArray,
    rng: np.random.Generator,
) -> Lists:
    """Return ``counts[u]`` distinct items of each user in the order picked.

    The items with the largest log p + Gumbel noise, largest first, are a sequence of draws
    without replacement (Efraimidis and Spirakis 2006), so at every step the next item is ranked
    best by p among those not yet picked, whatever was picked before.
    """
    picked = []
    for start in range(0, counts.size, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, counts.size), dtype=np.int64)
        fields = None if user_fields is None else user_fields.take(rows)
        p = truth.probabilities(fields, clusters[rows])
        with np.errstate(divide="ignore"):  # log 0: an item that is never picked
            keys = np.log(p) + rng.gumbel(size=p.shape)
        order = np.argsort(-keys, axis=1, kind="stable")
        wanted = np.arange(p.shape[1]) < counts[rows][:, None]
        picked.append(order[wanted])
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Lists(indptr, np.concatenate(picked).astype(np.int64))


def zipf(n: int, exponent: float, rng: np.random.Generator) -> Float64Array:
    """Return n probabilities proportional to rank^-exponent, ranks dealt to ids at random."""
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return np.asarray(rng.permutation(weights / weights.sum()))


def balanced(n: int, n_values: int, rng: np.random.Generator) -> IntArray:
    """Return n values of ``range(n_values)``, each as often as every other (give or take one)."""
    return rng.permutation(np.arange(n, dtype=np.int64) % n_values)

"""Ties: what a metric is worth over all orders of equally scored items, not only over ours.

The harness breaks ties by ascending id, which is repeatable but arbitrary: a constant scorer gets
whatever the first ids are worth. Here each run of equal scores is a *tie group*; all its orders
are equally likely, and low, high and mean of a metric over them have closed forms.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.lists import Lists
from harness.metrics.evaluate import score_hits
from harness.metrics.expected import (
    expected_average_precision,
    expected_first,
    expected_share,
)
from harness.metrics.hits import Hits, find_hits
from harness.metrics.metric import Metric
from harness.topk import PAD_ID, TopK

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TieBounds:
    """A metric of n queries over all tie orders, each float64 (n,): least, mean and greatest."""

    low: Values
    expected: Values
    high: Values


@dataclass(frozen=True, slots=True)
class TieGroups:
    """Runs of equal scores in the lists of n queries, in order; pads belong to none.

    Attributes
    ----------
    indptr : int64 (n + 1,); the groups of query q are ``indptr[q]:indptr[q + 1]`` of the others.
    sizes : int64 (n_groups,), items in the group.
    n_relevant : int64 (n_groups,), relevant items among them.
    """

    indptr: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    n_relevant: npt.NDArray[np.int64]


def tie_bounds(
    metrics: Iterable[Metric], ranked: TopK, relevant: Lists, n_items: int
) -> Mapping[str, TieBounds]:
    """Return for each metric its bounds and expectation over the orders of tied items.

    Parameters
    ----------
    metrics : those that `harness.metrics.evaluate.evaluate` takes.
    ranked : lists **deep enough to hold every item that ties with the k-th**, without duplicates;
        the ranking of the whole catalogue (``select_top_k(scores, n_items)``) always is. A tie
        group that the end of the list cuts is taken to end there.
    relevant : n lists, none empty.

    Notes
    -----
    All our metrics rise when a relevant item moves up, so the bounds are the groups with their
    relevant items last and first. In a group of m items with r relevant ones, an item at any of
    its ranks is relevant with probability r / m.

    References
    ----------
    McSherry and Najork, ECIR 2008: computing information retrieval measures in the presence of
    tied scores.
    """
    metrics = list(metrics)
    hits = find_hits(ranked.ids, relevant, n_items)
    groups = find_groups(ranked, hits)
    low = score_hits(metrics, _reordered(groups, hits.n_relevant, first=False))
    high = score_hits(metrics, _reordered(groups, hits.n_relevant, first=True))
    return {
        str(one): TieBounds(low[str(one)], expected(one, groups, hits.n_relevant), high[str(one)])
        for one in metrics
    }


def find_groups(ranked: TopK, hits: Hits) -> TieGroups:
    """Return the tie groups of ranked lists."""
    n, width = ranked.ids.shape
    filled = ranked.ids != PAD_ID
    begins = filled.copy()
    begins[:, 1:] &= (ranked.scores[:, 1:] != ranked.scores[:, :-1]) | ~filled[:, :-1]
    group = np.cumsum(begins.ravel()) - 1  # (n * width,), the group of each entry
    n_groups = int(begins.sum())
    sizes = np.bincount(group[filled.ravel()], minlength=n_groups)
    queries = np.repeat(np.arange(n), np.diff(hits.indptr))
    n_relevant = np.bincount(group[queries * width + hits.ranks - 1], minlength=n_groups)
    indptr = np.concatenate(([0], np.cumsum(begins.sum(axis=1))))
    return TieGroups(indptr.astype(np.int64), sizes.astype(np.int64), n_relevant.astype(np.int64))


def expected(metric: Metric, groups: TieGroups, n_relevant: npt.NDArray[np.int64]) -> Values:
    """Return the mean of a metric over all tie orders, float64 (n,)."""
    k = metric.k
    ranks = np.arange(1, k + 1)
    where = (groups.indptr, groups.sizes, groups.n_relevant)
    if metric.name in ("hit_rate", "mrr"):  # both read only the rank of the first hit
        return expected_first(*where, np.ones(k) if metric.name == "hit_rate" else 1 / ranks)
    if metric.name == "map":
        return expected_average_precision(*where, k) / n_relevant
    gains = 1 / np.log2(ranks + 1) if metric.name == "ndcg" else np.ones(k)
    divisors: Mapping[str, npt.NDArray[Any] | int] = {
        "recall": n_relevant,
        "recall_capped": np.minimum(n_relevant, k),
        "precision": k,
        "precision_capped": np.minimum(n_relevant, k),
        "ndcg": np.cumsum(gains)[np.minimum(n_relevant, k) - 1],
    }
    return expected_share(*where, gains) / divisors[metric.name]


def _reordered(groups: TieGroups, n_relevant: npt.NDArray[np.int64], *, first: bool) -> Hits:
    """Return the hits when each group has its relevant items first, or last."""
    ends = np.cumsum(groups.sizes)
    per_query = np.diff(groups.indptr)
    before = np.concatenate(([0], ends))[groups.indptr[:-1]]  # entries of all earlier queries
    end_ranks = ends - np.repeat(before, per_query)
    starts = end_ranks - (groups.sizes if first else groups.n_relevant)
    counts = groups.n_relevant
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.repeat(starts, counts) + within + 1
    totals = np.concatenate(([0], np.cumsum(counts)))[groups.indptr]
    return Hits(totals.astype(np.int64), ranks.astype(np.int32), n_relevant)

"""Synthetic logs: their known answers."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.best_possible import BestPossible
from harness.data.checkerboard import CheckerboardParams, checkerboard
from harness.data.log import RenumberedTruth, content_hash
from harness.data.planted import Cross, PlantedTruth, draw_events, zipf
from harness.data.planted_clusters import PlantedClustersParams, planted_clusters
from harness.data.planted_crosses import PlantedCrossesParams, cross_table, planted_crosses
from harness.data.planted_log import PlantedLogParams, planted_log
from harness.data.planted_vectors import PlantedVectorsParams
from harness.data.splits import parse_split, split_log
from harness.data.synthetic import SYNTHETIC
from harness.fields import Categorical, Fields
from harness.interactions import Interactions, Queries
from harness.lists import Lists

CROSSES = PlantedCrossesParams(n_users=600, n_items=400, n_crosses=2)
SMALL = {
    "checkerboard": CheckerboardParams(n_users=20, n_items=20, events_per_user=5),
    "planted_clusters": PlantedClustersParams(n_users=60, n_items=60),
    "planted_crosses": PlantedCrossesParams(n_users=60, n_items=80),
    "planted_log": PlantedLogParams(n_users=60, n_items=80),
    "planted_vectors": PlantedVectorsParams(n_items=80, n_queries=20, dim=8),
}


def all_queries(log):
    nothing = Lists.empty(log.n_users)
    return Queries(np.arange(log.n_users), nothing, nothing, log.user_fields)


def dcg(ids, relevant):
    """Return DCG and ideal DCG at 10 by the textbook."""
    gains = [1 / np.log2(rank + 2) for rank, one in enumerate(ids[:10]) if one in relevant]
    return sum(gains), sum(1 / np.log2(rank + 2) for rank in range(min(10, len(relevant))))


def mean_ndcg(ids, held):
    """Return the mean NDCG@10 of lists of ids."""
    pairs = [dcg(row, set(held.relevant.row(r).tolist())) for r, row in enumerate(ids.tolist())]
    return float(np.mean([got / ideal for got, ideal in pairs]))


def best_and_popular(log, split):
    """Return NDCG@10 of the best possible and of popularity on the test queries."""
    parts = split_log(log, parse_split(split), "log")
    best = BestPossible(parts.truth)
    best.fit(parts.full_train)
    queries = parts.test.queries
    counts = np.bincount(parts.full_train.item_ids, minlength=parts.full_train.n_items)
    popular = np.argsort(-counts, kind="stable")
    lists = [popular[~np.isin(popular, queries.hidden.row(r))][:10] for r in range(len(queries))]
    found = best.search(queries, 10).ids
    return mean_ndcg(found, parts.test), mean_ndcg(np.array(lists), parts.test)


@pytest.mark.parametrize("entry", SYNTHETIC, ids=lambda entry: entry.name)
def test_a_seed_gives_one_log_and_another_seed_another(entry):
    """Drawing twice gives the same content; a new seed a new one; no item is picked twice."""
    params = SMALL[entry.name]
    log = entry.draw(params)
    assert content_hash(log) == content_hash(entry.draw(params))
    assert content_hash(log) != content_hash(entry.draw(replace(params, seed=1)))
    pairs = log.user_ids * log.n_items + log.item_ids
    assert np.unique(pairs).size == log.n_events
    within = np.diff(log.user_ids) == 0
    assert (np.diff(log.timestamps)[within] > 0).all()


def test_checkerboard_truth_gives_own_parity_even_and_other_nothing():
    """After one item a user's parity is known: 1 in 30 for each of it, never the other."""
    log = checkerboard(CheckerboardParams())
    assert (log.user_ids % 2 == log.item_ids % 2).all()
    query = Queries(np.array([-1]), Lists.of([[4]]), Lists.of([[4]]))
    p = np.exp(log.truth.score(query, np.arange(log.n_items)))[0]
    assert p[::2] == pytest.approx(1 / 30)
    assert (p[1::2] == 0).all()


def test_posterior_of_two_clusters_by_hand():
    """Bayes' rule on two items of popularity 1/2, tastes 3 to 1, one pick of item 0.

    p(0 | cluster 0) = 3/4 and p(0 | cluster 1) = 1/4, so the posterior is 3/4 and 1/4 and the next
    pick is item 0 with 3/4 * 3/4 + 1/4 * 1/4 = 10/16.
    """
    taste = np.log([[3.0, 1.0], [1.0, 3.0]])
    truth = PlantedTruth(np.array([0.5, 0.5]), np.array([0, 1]), taste)
    query = Queries(np.array([0]), Lists.of([[0]]), Lists.of([[]]))
    p = np.exp(truth.score(query, np.array([0, 1])))
    assert p[0].tolist() == pytest.approx([10 / 16, 6 / 16])


def test_noise_mixes_with_popularity_by_hand():
    """With noise 1/2, tastes all equal and popularity 3 to 1, nothing changes: 3/4 and 1/4."""
    truth = PlantedTruth(np.array([0.75, 0.25]), np.array([0, 0]), np.zeros((1, 1)), noise=0.5)
    assert truth.probabilities(None, np.array([0])).tolist() == [[0.75, 0.25]]


def test_clusters_are_inferred_from_the_history():
    """With 19 events of history the posterior names the own cluster for every user."""
    log = planted_clusters(PlantedClustersParams(n_users=240))
    truth = log.truth
    events = Lists.from_pairs(log.user_ids, log.item_ids, log.n_users)
    history = events.tail(19)
    queries = Queries(np.arange(log.n_users), history, history)
    best = truth.score(queries, np.arange(log.n_items)).argmax(axis=1)
    common = [np.bincount(truth.item_clusters[history.row(u)]).argmax() for u in range(240)]
    assert (truth.item_clusters[best] == common).all()


@pytest.mark.parametrize("n_values", [4, 16, 64])
def test_all_singular_values_of_a_cross_table_are_equal(n_values):
    """Every singular value is sqrt(V): a rank-r table explains r / V of the squares, no more."""
    table = cross_table(n_values, np.random.default_rng(0))
    assert set(np.unique(table)) == {-1.0, 1.0}
    values = np.linalg.svd(table, compute_uv=False)
    assert values == pytest.approx(np.full(n_values, np.sqrt(n_values)))


def test_no_row_or_column_of_a_cross_table_is_special():
    """Each row and column holds 1 in 6 of 16 places, so no value is popular by itself."""
    table = cross_table(16, np.random.default_rng(1))
    assert (table == 1).sum(axis=0).tolist() == [6] * 16
    assert (table == 1).sum(axis=1).tolist() == [6] * 16


def test_crosses_truth_is_the_sum_of_the_tables():
    """Score minus log popularity rises by beta per unit of the sum of T_j[f_j, g_j]."""
    log = planted_crosses(CROSSES)
    scores = log.truth.score(all_queries(log), np.arange(log.n_items))
    total = sum(
        cross.table[log.user_fields.columns[cross.query_field].ids][:, cross.item_values]
        for cross in log.truth.crosses
    )
    rest = scores - total - np.log(log.truth.popularity)
    assert np.ptp(rest, axis=1).max() < 1e-4  # a constant per user: the normaliser
    assert np.unique(np.round(total / CROSSES.beta)).tolist() == [-2, 0, 2]


def test_a_low_rank_score_explains_little_of_the_crosses():
    """At rank 8 of 2 x 15 directions, least squares explains less than half of the variance."""
    log = planted_crosses(CROSSES)
    scores = log.truth.score(all_queries(log), np.arange(log.n_items)).astype(np.float64)
    centred = scores - scores.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=0)
    squares = np.linalg.svd(centred, compute_uv=False) ** 2
    assert squares[:8].sum() / squares.sum() < 0.5
    assert squares[:30].sum() / squares.sum() > 0.99


def test_frequencies_follow_the_table():
    """First picks over many users occur as often as the truth says (within 4 sigma)."""
    rng = np.random.default_rng(3)
    table = np.log([[4.0, 1.0], [1.0, 1.0]])
    popularity = np.array([0.5, 0.25, 0.25])
    truth = PlantedTruth(
        popularity,
        np.zeros(3, np.int64),
        np.zeros((1, 1)),
        (Cross("f", np.array([0, 0, 1]), table),),
    )
    n = 20_000
    fields = Fields(n, {"f": Categorical(np.zeros(n, np.int64), 2)})
    first = draw_events(truth, fields, np.zeros(n, np.int64), np.ones(n, np.int64), rng)
    expected = np.array([8, 4, 1]) / 13  # 1/2 * 4 : 1/4 * 4 : 1/4
    found = np.bincount(first.ids, minlength=3) / n
    assert found == pytest.approx(expected, abs=4 * np.sqrt(0.25 / n))


def test_zipf_is_a_distribution_with_the_right_head():
    """With exponent 1 the most popular is twice as likely as the second."""
    p = np.sort(zipf(100, 1.0, np.random.default_rng(0)))[::-1]
    assert p.sum() == pytest.approx(1)
    assert p[0] / p[1] == pytest.approx(2)


def test_best_possible_on_crosses_is_far_above_popularity():
    """Even on small crosses the truth is worth many times what popularity is."""
    best, popular = best_and_popular(planted_crosses(CROSSES), {"kind": "random_per_user"})
    assert best > 0.25
    assert best > 5 * popular


def test_planted_log_has_all_its_parts():
    """Every field is there; the truth beats popularity, and popularity beats a draw by lot."""
    log = planted_log(PlantedLogParams(n_users=300, n_items=500))
    assert list(log.user_fields.columns) == ["region", "device", "interests"]
    assert list(log.item_fields.columns) == ["style", "format", "tags"]
    counts = np.bincount(log.user_ids)
    assert (counts.min() >= 20, counts.max() <= 40) == (True, True)
    split = {"kind": "random_per_user", "cold_items": "drop"}
    best, popular = best_and_popular(log, split)
    assert best > 2 * popular > 2 * 0.02


def test_best_possible_hides_and_serves_unknown_users():
    """Hidden items never come back, and a user unknown in training is served by the history."""
    log = checkerboard(CheckerboardParams(n_users=4, n_items=6, events_per_user=2))
    best = BestPossible(log.truth)
    best.fit(Interactions(Lists.empty(4), 6))
    queries = Queries(np.array([-1, 1]), Lists.of([[2], [3]]), Lists.of([[2], [3]]))
    found = best.search(queries, 3)
    assert found.ids.tolist() == [[0, 4, -1], [1, 5, -1]]
    assert best.score(queries, np.array([0])).shape == (2, 1)


def test_truth_of_a_part_of_the_catalogue_is_the_truth_renumbered():
    """When items 2 and 0 alone are left, as items 0 and 1, scores and histories follow them."""
    log = planted_log(SMALL["planted_log"])
    whole = replace(all_queries(log), history=Lists.of([[2]] * log.n_users))
    part = replace(whole, history=Lists.of([[0]] * log.n_users))
    renumbered = RenumberedTruth(log.truth, np.array([2, 0]))
    expected = log.truth.score(whole, np.array([2, 0]))
    assert np.array_equal(renumbered.score(part, np.array([0, 1])), expected)


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        (CheckerboardParams, {"n_users": 3}, "must be even"),
        (CheckerboardParams, {"events_per_user": 31}, r"1\.\.30"),
        (PlantedClustersParams, {"leak": 0.0}, "leak"),
        (PlantedCrossesParams, {"n_values": 8}, "4, 16, 64 or 256"),
        (PlantedLogParams, {"min_events": 50}, "min_events"),
        (PlantedLogParams, {"noise": 1.0}, "noise"),
    ],
)
def test_senseless_parameters_are_refused(cls, given, message):
    """What was given and what was expected is said."""
    with pytest.raises(ValueError, match=message):
        cls(**given)


def test_the_truth_follows_a_filtered_catalogue():
    """After a k-core the best possible still ranks by the truth of the items that are left."""
    split = {"kind": "random_per_user", "min_item_events": 45}
    best, popular = best_and_popular(planted_crosses(CROSSES), split)
    assert best > 5 * popular

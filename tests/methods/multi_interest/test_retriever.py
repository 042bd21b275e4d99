"""MultiInterest: search against loops, indexes, work, bytes; users of several tastes."""

import dataclasses
import itertools

import numpy as np
import pytest

from harness.errors import MethodError
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from harness.topk import PAD_ID, PAD_SCORE
from methods.ann.choice import IndexSearch
from methods.multi_interest.retriever import MultiInterest, MultiInterestParams

SMALL = {"dim": 8, "hidden": 16, "epochs": 3, "batch_size": 64, "n_interests": 3}
ROUTINGS = ["self_attention", "dynamic_routing", "mind"]
N_ITEMS = 30


def fitted(device="cpu", **given):
    method = MultiInterest(MultiInterestParams(**SMALL | given), seed=1, device=device)
    method.fit(tiny_log())
    method.build()
    return method


@pytest.fixture(scope="module")
def queries():
    """Return queries of histories of 8, 3, 1 and no items in turn; what is met is hidden."""
    given = tiny_held_out(tiny_log()).queries
    lists = [given.history.row(n)[: (8, 3, 1, 0)[n % 4]].tolist() for n in range(len(given))]
    return Queries(given.user_ids, Lists.of(lists), given.hidden, given.fields)


def by_loops(method, queries, k):
    """Return ids and scores of each query's k best, every product computed on its own."""
    encoded, items = method.encode(queries), method._index.vectors()
    for row in range(len(queries)):
        best = {}
        for item in set(range(N_ITEMS)) - set(queries.hidden.row(row).tolist()):
            products = [encoded.vectors[row, j] @ items[item] for j in range(encoded.counts[row])]
            best[item] = max(products)
        wanted = sorted(best.items(), key=lambda one: (-one[1], one[0]))[:k]
        yield wanted + [(PAD_ID, PAD_SCORE)] * (k - len(wanted))


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize("routing", ROUTINGS)
def test_exact_search_is_the_best_of_all_products(routing, device, queries):
    """For every k, with hidden items, on the host and on a device apart."""
    method = fitted(device, routing=routing)
    assert method.exact
    counts = method.encode(queries).counts
    assert set(counts.tolist()) == ({1, 3} if routing == "mind" else {3})
    for k in (1, 5, 30):
        found = method.search(queries, k)
        for row, wanted in enumerate(by_loops(method, queries, k)):
            assert found.ids[row].tolist() == [item for item, _ in wanted]
            scores = np.array([score for _, score in wanted], np.float32)
            np.testing.assert_allclose(found.scores[row], scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_an_index_that_looks_everywhere_finds_what_exact_search_does(index, queries):
    """The same seed trains the same vectors; all cells, or a walk through all the graph."""
    method = fitted(index=index, nlist=4)
    assert not method.exact
    method.search_params = IndexSearch(nprobe=4, ef_search=64)
    exact = fitted()
    np.testing.assert_array_equal(method.search(queries, 5).ids, exact.search(queries, 5).ids)
    items = np.arange(N_ITEMS)
    np.testing.assert_allclose(method.score(queries, items), exact.score(queries, items), rtol=1e-6)


def test_an_index_that_looks_into_one_cell_computes_less(queries):
    """What it loses shows against the exhaustive score; search parameters do not rebuild."""
    method = fitted(index="ivf", nlist=8)
    scores = method.score(queries, np.arange(N_ITEMS))
    work, lost = [], []
    for nprobe in (1, 8):
        method.search_params = IndexSearch(nprobe=nprobe)
        before = method.counters()["distances"]
        found = method.search(queries, 3)
        work.append(method.counters()["distances"] - before)
        filled = found.ids != PAD_ID
        rows = np.nonzero(filled)[0]
        known = scores[rows, found.ids[filled]]
        assert (found.scores[filled] <= known + 1e-5).all()  # found, but not by its best interest
        lost.append((~filled).sum() + (found.scores[filled] < known - 1e-5).sum())
    assert work[0] < work[1] / 2
    assert lost[0] > lost[1] == 0


def test_work_and_bytes_by_hand(queries):
    """48 queries of 3 interests against 30 items; of ids alone nothing but two tables and W."""
    log = tiny_log()
    ids = Interactions(log.events, N_ITEMS)
    method = MultiInterest(
        MultiInterestParams(**SMALL, tower="none", routing="dynamic_routing"), seed=1
    )
    method.fit(ids)
    method.build()
    plain = dataclasses.replace(queries, fields=None)
    found = method.search(plain, 22)
    work = method.counters()
    assert work["distances"] == 48 * 3 * 30
    assert work["candidates"] == (found.ids != PAD_ID).sum() == 48 * 22  # all that is visible
    assert method.footprint().index_bytes == 4 * (30 * 8 + 30 * 8 + 3 * 8 * 8)


def test_refit_trains_as_long_as_fit_found_best(queries):
    """The model depends on nothing else that fit did."""
    train, scores = tiny_log(), []
    for patience in (6, 1):
        method = MultiInterest(MultiInterestParams(**SMALL, patience=patience), seed=4)
        method.fit(train, tiny_held_out(train))
        method._epochs = 2
        method.refit(train)
        method.build()
        assert method.footprint().details["epochs"] == 2
        scores.append(method.score(queries, np.arange(N_ITEMS)))
    np.testing.assert_array_equal(*scores)


def test_no_queries(queries):
    """An empty batch has an empty answer."""
    assert fitted().search(queries.take(np.zeros(0, np.int64)), 3).ids.shape == (0, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_interests": 0}, "n_interests = 0 must be above 0"),
        ({"n_iterations": 0}, "n_iterations = 0 must be above 0"),
        ({"power": 0.5}, "power = 0.5 must be at least 1"),
        ({"nlist": -1}, "nlist = -1"),
        ({"m": 1}, "m = 1"),
        ({"loss": "ccl"}, "those of multi_interest are not"),
    ],
)
def test_senseless_values_are_refused(given, message):
    """With the name and the value."""
    with pytest.raises(ValueError, match=message):
        MultiInterestParams(**given)


def test_an_approximate_index_is_for_the_host():
    """Refused before anything is trained."""
    with pytest.raises(MethodError, match="index = 'ivf' runs on the CPU, not on cuda"):
        MultiInterest(MultiInterestParams(index="ivf"), device="cuda")


def two_tastes(n_users=300, n_clusters=8, size=12, seed=0):
    """Return a log whose users like two clusters of items each, and an item held out of either."""
    random, lists, relevant = np.random.default_rng(seed), [], []
    for _ in range(n_users):
        liked = random.choice(n_clusters, 2, replace=False)
        picks = [one * size + random.permutation(size)[:7] for one in liked]
        relevant.append([int(pick[0]) for pick in picks])
        lists.append(random.permutation(np.concatenate([pick[1:] for pick in picks])).tolist())
    events, hidden = Lists.of(lists), Lists.of([sorted(one) for one in lists])
    held_out = HeldOut(Queries(np.arange(n_users), events, hidden), Lists.of(relevant))
    return Interactions(events, n_clusters * size), held_out


@pytest.mark.parametrize("routing", ROUTINGS)
def test_several_interests_tell_several_tastes_apart(routing):
    """Eight clusters in two dimensions: one vector between two clusters points at others.

    Of the held-out items three vectors find at least a fifth more among their first ten than one,
    in the mean of two trainings: a single one with one vector finds .36 to .49.
    """
    train, held_out = two_tastes()
    recall = {1: 0.0, 3: 0.0}
    for n_interests, seed in itertools.product(recall, (1, 2)):
        params = MultiInterestParams(
            dim=2,
            hidden=16,
            epochs=15,
            batch_size=128,
            learning_rate=0.05,
            loss="full_softmax",
            tower="none",
            routing=routing,
            n_interests=n_interests,
            power=2.0,
        )
        method = MultiInterest(params, seed=seed)
        method.fit(train)
        method.build()
        found = method.search(held_out.queries, 10).ids
        hits = (found[:, :, None] == held_out.relevant.ids.reshape(-1, 1, 2)).any(axis=1)
        recall[n_interests] += hits.mean() / 2
    assert recall[3] > recall[1] + 0.2

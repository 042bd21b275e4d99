"""TwoTower: gradients of every part, refit, parameters, the account of bytes."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.interactions import Interactions
from harness.lists import Lists
from harness.testing import N_ITEMS, tiny_held_out, tiny_log
from methods.ann.indexes import IndexSearch
from methods.batches import epoch_batches
from methods.negatives import NegativeSampler
from methods.training import RankingModel
from methods.training.params import BOUNDED
from methods.two_tower.retriever import TwoTower, TwoTowerParams
from methods.two_tower.towers import TwoTowerModel

SMALL = TwoTowerParams(dim=8, hidden=16, epochs=6, batch_size=32, n_negatives=8, learning_rate=0.01)


def first_batch(train, n_negatives=8):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 32, 5, random))
    return batch, NegativeSampler(train, n_negatives, random).draw(batch.targets)


def test_gradients_reach_every_part():
    """Id vectors, fields of both sides and both towers all move with the scores."""
    train = tiny_log()
    torch.manual_seed(0)
    model: RankingModel = TwoTowerModel(train, 8, 16, "cpu")
    positive, negative, extra = model.batch_scores(*first_batch(train))
    (positive.sum() - negative.logsumexp(1).sum() + extra).backward()
    still = [name for name, one in model.named_parameters() if not one.grad.abs().sum() > 0]
    assert still == []


def test_batch_scores_are_those_of_the_catalogue():
    """What is trained is what is searched: the same pair has the same score in both."""
    train = tiny_log()
    torch.manual_seed(0)
    model = TwoTowerModel(train, 8, 16, "cpu").eval()
    batch, negatives = first_batch(train)
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        scores = model.all_scores(batch)
    rows = np.arange(len(batch.targets))
    torch.testing.assert_close(positive, scores[rows, batch.targets])
    torch.testing.assert_close(negative, scores[:, negatives.items])


def test_a_log_without_fields_is_learned():
    """Ids alone, even users like even items: the history is enough."""
    log = tiny_log()
    train = Interactions(log.events, log.n_items)
    method = TwoTower(SMALL, seed=1)
    method.fit(train)
    method.build()
    queries = tiny_held_out(log).queries
    found = method.search(queries, 5)
    assert (found.ids % 2 == queries.user_ids[:, None] % 2).mean() > 0.9


def test_refit_trains_as_long_as_fit_found_best():
    """The epochs of fit are kept, and the model depends on nothing else that fit did."""
    train, scores = tiny_log(), []
    for patience in (6, 1):  # the second fit is cut short where the first may have gone on
        method = TwoTower(TwoTowerParams(dim=8, hidden=16, epochs=6, patience=patience), seed=4)
        method.fit(train, tiny_held_out(train))
        method._epochs = 2
        method.refit(train)
        method.build()
        assert method.footprint().details["epochs"] == 2
        scores.append(method.score(tiny_held_out(train).queries, np.arange(train.n_items)))
    np.testing.assert_array_equal(*scores)


def test_counters_and_bytes_by_hand():
    """48 queries against 30 items; 30 vectors of 8, and the weights that encode a query."""
    method = TwoTower(SMALL, seed=0)
    method.fit(tiny_log())
    method.build()
    method.search(tiny_held_out(tiny_log()).queries, 3)
    assert method.counters() == {"distances": 48 * 30}
    vectors, table, fields = 30 * 8, 30 * 8, 2 * 8 + 8 * 8  # float32 each; two fields
    tower = 3 * 8 * 16 + 16 + 16 * 8 + 8
    assert method.footprint().index_bytes == 4 * (vectors + table + fields + tower)


NUMBERS = {
    one.name for one in dataclasses.fields(TwoTowerParams) if type(one.default) in (int, float)
}


@pytest.mark.parametrize("name", sorted(NUMBERS - {*BOUNDED, "dropout"}))
def test_senseless_values_are_refused(name):
    """Zero of anything, with the name and the value in the message."""
    with pytest.raises(ValueError, match=f"{name} = 0 must be above 0"):
        TwoTowerParams(**{name: 0})


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (TwoTowerParams, {"nlist": -1, "index": "ivf"}),
        (TwoTowerParams, {"m": 1, "index": "hnsw"}),
        (IndexSearch, {"nprobe": 0}),
        (IndexSearch, {"ef_search": 0}),
    ],
)
def test_what_the_indexes_refuse_is_refused(kind, given):
    """With the words of the index: its name and the value."""
    (name, value), *_ = given.items()
    with pytest.raises(ValueError, match=f"{name} = {value}"):
        kind(**given)


def fitted(index, **given):
    method = TwoTower(dataclasses.replace(SMALL, index=index, **given), seed=3)
    method.fit(tiny_log())
    method.build()
    return method


EVERYWHERE = {
    "ivf": ({"nlist": 5}, {"nprobe": 5}),
    "hnsw": ({"m": 8}, {"ef_search": 200}),
    "ivf_pq_refine": (
        {"nlist": 5, "bits": 4, "dims_per_block": 2},
        {"nprobe": 5, "k_factor": 6},
    ),
    "torch_flat": ({"index_precision": "bfloat16"}, {"k_factor": 6}),
}


@pytest.mark.parametrize("index", EVERYWHERE)
def test_the_index_changes_the_search_and_not_the_model(index):
    """The same seed: bit-equal scores; and told to look everywhere, the lists of exact search."""
    build, search = EVERYWHERE[index]
    exact, other = fitted("flat"), fitted(index, **build)
    queries, items = tiny_held_out(tiny_log()).queries, np.arange(N_ITEMS)
    np.testing.assert_array_equal(exact.score(queries, items), other.score(queries, items))
    assert exact.exact
    assert not other.exact
    other.search_params = IndexSearch(**search)
    np.testing.assert_array_equal(exact.search(queries, 5).ids, other.search(queries, 5).ids)


def test_a_fit_serves_any_index(tmp_path):
    """One training, taken over under another index: the scores of a training of its own."""
    first, own = fitted("flat"), fitted("sq8")
    first.save_fit(tmp_path)
    other = TwoTower(dataclasses.replace(SMALL, index="sq8"), seed=3)
    other.load_fit(tmp_path, tiny_log())
    other.build()
    queries, items = tiny_held_out(tiny_log()).queries, np.arange(N_ITEMS)
    np.testing.assert_array_equal(other.score(queries, items), own.score(queries, items))
    np.testing.assert_array_equal(other.search(queries, 5).ids, own.search(queries, 5).ids)
    assert other.footprint().history == first.footprint().history


def test_only_what_the_index_takes_may_be_given():
    """Of building and of searching; the message names what the index takes."""
    with pytest.raises(ValueError, match="m = 8 is not for index = 'ivf', which takes nlist, tr"):
        TwoTowerParams(index="ivf", m=8)
    given = IndexSearch(ef_search=9)
    with pytest.raises(ValueError, match="ef_search = 9 is not for index = 'flat', which takes no"):
        TwoTower.settle_search(SMALL, given)
    settled = TwoTower.settle_search(TwoTowerParams(index="ivf_pq_refine"), IndexSearch(nprobe=3))
    assert settled == IndexSearch(nprobe=3, k_factor=4)
    assert TwoTowerParams(index="hnsw").ef_construction == 40  # a default is filled in
    assert TwoTowerParams(index="hnsw").nlist is None


def test_search_parameters_reach_the_index():
    """One of five cells: fewer inner products than all of them, and other lists."""
    method, queries = fitted("ivf", nlist=5), tiny_held_out(tiny_log()).queries
    work, found = [], []
    for nprobe in (1, 5):
        method.search_params = IndexSearch(nprobe=nprobe)
        before = method.counters()["distances"]
        found.append(method.search(queries, 10).ids)
        work.append(method.counters()["distances"] - before)
    assert work[0] < work[1]
    assert (found[0] != found[1]).any()
    graph, work = fitted("hnsw", m=2, ef_construction=4), []
    for ef_search in (1, 30):
        graph.search_params = IndexSearch(ef_search=ef_search)
        before = graph.counters()["distances"]
        graph.search_encoded(graph.encode(queries), Lists.empty(len(queries)), 1)
        work.append(graph.counters()["distances"] - before)
    assert work[0] < work[1]


def test_an_approximate_index_is_for_the_cpu():
    """Refused before anything is trained, with both names."""
    params = dataclasses.replace(SMALL, index="hnsw")
    with pytest.raises(MethodError, match="index = 'hnsw' runs on cpu, not on cuda; on cuda run"):
        TwoTower(params, device="cuda")


def test_no_queries():
    """An empty batch has an empty answer."""
    method = TwoTower(SMALL, seed=0)
    method.fit(tiny_log())
    method.build()
    none = tiny_held_out(tiny_log()).queries.take(np.zeros(0, np.int64))
    assert method.search(none, 3).ids.shape == (0, 3)

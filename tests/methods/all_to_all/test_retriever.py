"""AllToAll: gradients, what is trained is what is searched, ties, blocks, bytes."""

import copy

import numpy as np
import pytest
import torch

from harness.interactions import Interactions
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from harness.topk import select_top_k
from methods import exhaustive
from methods.all_to_all.model import AllToAllModel
from methods.all_to_all.retriever import AllToAll, AllToAllParams
from methods.batches import epoch_batches
from methods.interactions.choice import INTERACTIONS
from methods.negatives import NegativeSampler

SMALL = {"dim": 8, "hidden": 16, "epochs": 6, "batch_size": 32, "n_negatives": 8}
ITEMS = np.arange(30)


def first_batch(train):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 32, 5, random))
    return batch, NegativeSampler(train, 8, random).draw(batch.targets)


def fitted(interaction="mlp", log=None, device="cpu", **more):
    params = AllToAllParams(**SMALL, learning_rate=0.01, interaction=interaction, **more)
    method = AllToAll(params, seed=1, device=device)
    method.fit(tiny_log() if log is None else log)
    method.build()
    return method


@pytest.fixture(scope="module")
def method():
    return fitted()


@pytest.fixture(scope="module")
def queries():
    return tiny_held_out(tiny_log()).queries


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_gradients_reach_every_part(interaction):
    """Id vectors, fields of both sides, tower and interaction all move with the scores."""
    train = tiny_log()
    torch.manual_seed(0)
    model = AllToAllModel(train, 8, 16, interaction, "cpu")
    positive, negative, extra = model.batch_scores(*first_batch(train))
    (positive.sum() - negative.logsumexp(1).sum() + extra).backward()
    still = [name for name, one in model.named_parameters() if not one.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_batch_scores_are_those_of_the_catalogue(interaction):
    """What is trained is what is searched: the same pair has the same score in both."""
    train = tiny_log()
    torch.manual_seed(0)
    model = AllToAllModel(train, 8, 16, interaction, "cpu").eval()
    batch, negatives = first_batch(train)
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        scores = model.all_scores(batch)
    rows = np.arange(len(batch.targets))
    torch.testing.assert_close(positive, scores[rows, batch.targets], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(negative, scores[:, negatives.items], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_every_interaction_learns_and_is_saved(interaction, queries, tmp_path):
    """Ids alone, even users like even items; and every bit is there after save and load."""
    log = tiny_log()
    method = fitted(interaction, Interactions(log.events, log.n_items))
    ids_only = copy.copy(queries)
    object.__setattr__(ids_only, "fields", None)
    found = method.search(ids_only, 5)
    assert (found.ids % 2 == queries.user_ids[:, None] % 2).mean() > 0.9
    method.save(tmp_path)
    loaded = AllToAll(method.build_params)
    loaded.load(tmp_path)
    again = loaded.search(ids_only, 5)
    np.testing.assert_array_equal(again.ids, found.ids)
    np.testing.assert_array_equal(again.scores, found.scores)
    np.testing.assert_array_equal(loaded.score(ids_only, ITEMS), method.score(ids_only, ITEMS))


def test_the_dot_product_is_one_of_two_vectors():
    """Scores of ``dot`` are <P query, tower(item)>: of rank dim at most, as the two towers' are."""
    model = AllToAllModel(tiny_log(), 8, 16, "dot", "cpu").eval()
    batch, _ = first_batch(tiny_log())
    with torch.no_grad():
        table = model.items.history_table()
        vectors = model.query_tower(batch.history, batch.fields, table)
        items = model.interaction.item(model.items(torch.arange(30)))
        torch.testing.assert_close(model.all_scores(batch), vectors @ items.T)  # P is the identity


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_blocks_of_queries_change_nothing(device, queries, monkeypatch):
    """One query at a time, or a few, with a last block that is not full."""
    method = fitted(device=device)
    whole = method.search(queries, 5)
    for scores in (1, 30 * 7):
        monkeypatch.setattr(exhaustive, "BLOCK_SCORES", scores)
        cut = method.search(queries, 5)
        np.testing.assert_array_equal(cut.ids, whole.ids)
        np.testing.assert_allclose(cut.scores, whole.scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "cpu:0", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_ties_go_to_the_smaller_id(device, queries):
    """Items that bring the same have the same score; also where the k-th is among them."""
    method = fitted(device=device)
    method._items = tuple(one[torch.arange(30, device=device) % 3] for one in method._items)
    scores = method.score(queries, ITEMS)
    assert (scores[:, :3] == scores[:, 27:]).all()
    for k in (1, 4, 13, 30):
        expected, found = select_top_k(scores, k, queries.hidden), method.search(queries, k)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_device_finds_what_the_host_finds(queries):
    """The same weights on the host and on a device apart: the same items."""
    here, there = fitted("cross"), fitted("cross", device="cpu:0")
    first, second = here.search(queries, 5), there.search(queries, 5)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.scores, second.scores, rtol=1e-4, atol=1e-5)


def test_refit_trains_as_long_as_fit_found_best(queries):
    """The epochs of fit are kept, and the model depends on nothing else that fit did."""
    train, scores = tiny_log(), []
    for patience in (6, 1):
        method = AllToAll(AllToAllParams(**SMALL, patience=patience), seed=4)
        method.fit(train, tiny_held_out(train))
        method._epochs = 2
        method.refit(train)
        method.build()
        assert method.footprint().details["epochs"] == 2
        scores.append(method.score(queries, ITEMS))
    np.testing.assert_array_equal(*scores)


def test_counters_and_bytes_by_hand(queries):
    """48 queries against 30 items; ``dot`` holds 8 numbers an item, and all the weights."""
    method = fitted("dot")
    method.search(queries, 3)
    assert method.counters() == {"distances": 48 * 30}
    vectors, table, fields = 30 * 8, 30 * 8, 2 * 8 + 8 * 8  # float32 each; two fields of a query
    tower = 3 * 8 * 16 + 16 + 16 * 8 + 8
    interaction = 8 * 8 + 4 * 8 * 16 + 16 + 16 * 8 + 8  # P; the tower over id and three fields
    total = vectors + table + fields + tower + interaction
    assert method.footprint().index_bytes == 4 * total


def test_no_queries(method, queries):
    """An empty batch has an empty answer."""
    none = queries.take(np.zeros(0, np.int64))
    assert method.search(none, 3).ids.shape == (0, 3)


def test_a_query_with_everything_hidden(method, queries):
    """Pads, and no error."""
    one = queries.take(np.array([0]))
    object.__setattr__(one, "hidden", Lists.of([list(range(30))]))
    assert (method.search(one, 4).ids == -1).all()


@pytest.mark.parametrize("name", ["dim", "hidden", "epochs", "n_negatives"])
def test_senseless_values_are_refused(name):
    """Zero of anything, with the name and the value in the message."""
    with pytest.raises(ValueError, match=f"{name} = 0 must be above 0"):
        AllToAllParams(**{name: 0})

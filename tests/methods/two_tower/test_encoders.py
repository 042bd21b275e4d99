"""TwoTower with each query encoder: learning from order, losses of all positions, refusals."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.testing import N_ITEMS, tiny_held_out, tiny_log
from methods.batches import Batch
from methods.encoders.tensors import Bags
from methods.losses import sampled_softmax
from methods.negatives import NegativeSampler
from methods.sequence_batches import SequenceBatches
from methods.two_tower.retriever import TwoTower, TwoTowerParams
from methods.two_tower.towers import TwoTowerModel

SMALL = TwoTowerParams(dim=8, hidden=16, epochs=4, batch_size=16, n_negatives=8, max_history=6)
SASREC = dataclasses.replace(SMALL, encoder="sasrec", positions="from_start", dropout=0.0)

FORMS = [
    {"encoder": "gru4rec"},
    {"encoder": "sasrec"},
    {"encoder": "sasrec", "positions": "from_start", "norm": "post", "tower": "none"},
]


def model_of(params, train, seed=0):
    torch.manual_seed(seed)
    return TwoTowerModel(train, params.dim, params.hidden, "cpu", params, params.tower)


def batch_of(params, train, size=16):
    return next(iter(SequenceBatches(train, size, params.max_history, np.random.default_rng(0))))


def loss_of(model, batch, negatives):
    """Return the loss that the training step takes, of a batch."""
    positive, negative, extra = model.batch_scores(batch, negatives)
    is_target = torch.from_numpy(batch.targets)[:, None] == torch.from_numpy(negatives.items)
    return sampled_softmax(positive, negative, negatives.log_expected, is_target) + extra


@pytest.mark.parametrize("encoder", ["gru4rec", "sasrec"])
@pytest.mark.parametrize("tower", ["mlp", "none"])
def test_the_loss_of_all_positions_is_the_sum_of_each_alone(encoder, tower):
    """Loss and gradients of one pass are those of a pass per position, whose history ends there.

    With fields, as each example has its own; positions are counted from the start, so that a
    history is encoded as within the longer sequence.
    """
    train = tiny_log(ordered=True)
    params = dataclasses.replace(SASREC, encoder=encoder, tower=tower)
    model, batch = model_of(params, train).double().eval(), batch_of(params, train, 4)
    negatives = NegativeSampler(train, 8, np.random.default_rng(1)).draw()
    at_once = loss_of(model, batch, negatives)
    at_once.backward()
    gradients = {name: one.grad for name, one in model.named_parameters()}
    model.zero_grad()
    n, total = len(batch.targets), 0.0
    rows = batch.history.rows[batch.positions]
    for example in range(n):
        start, place = batch.history.indptr[rows[example]], batch.positions[example]
        history = Lists.of([batch.history.ids[start : place + 1].tolist()])
        fields = batch.fields.take(np.array([example]))
        one = loss_of(model, Batch(batch.targets[[example]], history, fields), negatives) / n
        one.backward()
        total += float(one.detach())
    assert n == 4 * 6
    assert total == pytest.approx(float(at_once.detach()), rel=1e-9)
    for name, one in model.named_parameters():
        torch.testing.assert_close(one.grad, gradients[name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("encoder", ["attention", "gru4rec", "sasrec"])
def test_gradients_reach_every_part(encoder):
    """All of the encoder, ids, fields of both sides and both towers move with the scores."""
    train = tiny_log(ordered=True)
    params = dataclasses.replace(SASREC, encoder=encoder)
    model = model_of(params, train)
    batch = next(iter(model.draw_batches(train, params, np.random.default_rng(0))))
    negatives = NegativeSampler(train, 8, np.random.default_rng(1)).draw()
    loss_of(model, batch, negatives).backward()
    still = [name for name, one in model.named_parameters() if not one.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize("form", FORMS)
def test_the_last_position_is_scored_as_a_search_scores_it(form):
    """What is trained is what is served: of a window's last position, in the form of a query."""
    train = tiny_log(ordered=True)
    params = dataclasses.replace(SMALL, **form)
    model = model_of(params, train).eval()
    batch = batch_of(params, train)
    negatives = NegativeSampler(train, N_ITEMS, np.random.default_rng(1)).draw()
    last = batch.history.indptr[1:] - 1
    np.testing.assert_array_equal(batch.positions[last], last)  # no item twice: all are examples
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        query = Batch(np.zeros(0, np.int64), batch.history, batch.fields.take(last))
        scores = model.all_scores(query)
    torch.testing.assert_close(negative[last], scores)
    torch.testing.assert_close(positive[last], scores[np.arange(16), batch.targets[last]])


def test_a_tower_of_ids_alone_is_an_inner_product_of_state_and_id():
    """No perceptron, no field: the item's vector is the one that histories are made of."""
    train = tiny_log(ordered=True)
    method = TwoTower(dataclasses.replace(SASREC, tower="none"), seed=2)
    method.fit(train)
    method.build()
    model, queries = method._model, tiny_held_out(train).queries
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert names == {"items", "query_tower"}
    assert [name for name, _ in model.items.named_parameters()] == ["ids.weight"]
    parts = {name.split(".")[0] for name, _ in model.query_tower.features.named_parameters()}
    assert parts == {"history"}
    with torch.no_grad():
        history = queries.history.tail(6)
        states = model.query_tower.features.history(
            Bags.of(history, "cpu"), model.items.ids.weight, None
        )
        expected = states @ model.items.ids.weight.T
    np.testing.assert_allclose(
        method.score(queries, np.arange(N_ITEMS)), expected.numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("encoder", ["gru4rec", "sasrec"])
def test_a_log_without_order_is_refused(encoder):
    """Before training, with the name and what would do."""
    method = TwoTower(dataclasses.replace(SMALL, encoder=encoder))
    with pytest.raises(MethodError, match=f"encoder = '{encoder}' reads a history in its order"):
        method.fit(tiny_log())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dropout": 1.0}, "dropout = 1.0 must be at least 0 and below 1"),
        ({"n_attention_heads": 3}, "dim = 64 must be a multiple of n_attention_heads = 3"),
        ({"n_layers": 0}, "n_layers = 0 must be above 0"),
    ],
)
def test_impossible_encoders_are_refused(given, message):
    """With the name, what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        TwoTowerParams(**given)


def planted(n_users=200, n_items=20):
    """Return a log of six events a user, and the item that follows each item.

    An event is the follower of the one before it, or, three times in ten, any item. Followers form
    one cycle through all items: popularity says nothing, and a set of items little.
    """
    random = np.random.default_rng(0)
    cycle = random.permutation(n_items)
    follower = np.empty(n_items, np.int64)
    follower[cycle] = np.roll(cycle, -1)
    lists = np.empty((n_users, 6), np.int64)
    lists[:, 0] = random.integers(n_items, size=n_users)
    for place in range(1, 6):
        jumps = random.random(n_users) < 0.3
        anywhere = random.integers(n_items, size=n_users)
        lists[:, place] = np.where(jumps, anywhere, follower[lists[:, place - 1]])
    return Interactions(Lists.of(lists.tolist()), n_items, ordered=True), follower


def share_told(encoder, batch_size, **given):
    """Return the share of queries of three random items whose best item is the last's follower."""
    train, follower = planted()
    params = TwoTowerParams(
        encoder=encoder, dim=16, hidden=32, epochs=15, batch_size=batch_size, n_negatives=20,
        learning_rate=0.02, max_history=5, dropout=0.1, n_layers=1, **given,
    )  # fmt: skip
    method = TwoTower(params, seed=1)
    method.fit(train)
    method.build()
    random = np.random.default_rng(5)
    histories = [random.permutation(train.n_items)[:3].tolist() for _ in range(200)]
    queries = Queries(np.full(200, -1), Lists.of(histories), Lists.empty(200))
    expected = follower[[one[-1] for one in histories]]
    return float((method.search(queries, 1).ids[:, 0] == expected).mean())


@pytest.mark.parametrize("encoder", ["gru4rec", "sasrec"])
@pytest.mark.parametrize("tower", ["mlp", "none"])
def test_what_follows_from_order_is_learned(encoder, tower):
    """The next item is a function of the last: told nearly always."""
    assert share_told(encoder, 16, tower=tower) > 0.8


@pytest.mark.parametrize("encoder", ["mean", "attention"])
def test_what_follows_from_order_is_not_in_a_set(encoder):
    """Which of three items was the last cannot be told: at best one answer of three is right."""
    assert share_told(encoder, 64) < 0.4

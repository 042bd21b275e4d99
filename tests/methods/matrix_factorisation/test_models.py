"""BPR-MF, SimpleX and LightGCN: formulas by hand, propagation against dense matrices, users."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.testing import N_ITEMS, tiny_held_out, tiny_log
from methods.batches import epoch_batches
from methods.matrix_factorisation.graph import Graph, propagated
from methods.matrix_factorisation.model import CosineFactors, Factors
from methods.matrix_factorisation.params import BPRParams, LightGCNParams, SimpleXParams
from methods.matrix_factorisation.propagated import PropagatedFactors
from methods.matrix_factorisation.retriever import BPR, LightGCN, SimpleX
from methods.matrix_factorisation.users import users_of, with_users
from methods.matrix_factorisation.vectors import Askers, UserAndHistory, UserVectors
from methods.negatives import NegativeSampler, Sampling

TINY = {"dim": 4, "epochs": 2, "batch_size": 64, "learning_rate": 0.02}
METHODS = {
    "bpr": (BPR, BPRParams(**TINY)),
    "light_gcn": (LightGCN, LightGCNParams(**TINY)),
    "simplex": (SimpleX, SimpleXParams(**TINY, n_negatives=9)),
}
# Two users, three items; user 0 met items 0 and 1, the first of them twice; user 1 met item 1.
LOG = Interactions(Lists.of([[0, 1, 0], [1]]), 3)


def model_of(name, train, l2=0.0):
    torch.manual_seed(0)
    if name == "simplex":
        return CosineFactors(train, UserAndHistory(train.n_users, 4, 0.3), l2, "cpu")
    if name == "light_gcn":
        return PropagatedFactors(train, UserVectors(train.n_users, 4), l2, "cpu", 2)
    return Factors(train, UserVectors(train.n_users, 4), l2, "cpu")


def first_batch(train, own):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 32, 5, random))
    return batch, NegativeSampler(train, Sampling(6, own=own), random).draw(batch.targets)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_batch_scores_are_those_of_the_catalogue(name, own):
    """What is trained is what is searched; the vectors of a step give the same products."""
    train = with_users(tiny_log())
    model = model_of(name, train).eval()
    batch, negatives = first_batch(train, own)
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        scores = model.all_scores(batch)
        vectors = model.batch_vectors(*first_batch(train, own=False))
    rows, shared = np.arange(32), first_batch(train, own=False)[1]
    torch.testing.assert_close(positive, scores[rows, batch.targets])
    wanted = scores[rows[:, None], negatives.items] if own else scores[:, negatives.items]
    torch.testing.assert_close(negative, wanted)
    torch.testing.assert_close(vectors.queries @ vectors.negatives.T, scores[:, shared.items])
    torch.testing.assert_close((vectors.queries * vectors.targets).sum(1), positive)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_reach_every_part(name):
    """Vectors of users and items, and the transformation of the history."""
    train = with_users(tiny_log())
    model = model_of(name, train)
    positive, negative, _ = model.batch_scores(*first_batch(train, own=True))
    (positive.sum() - negative.logsumexp(1).sum()).backward()
    still = [key for key, one in model.named_parameters() if not one.grad.abs().sum() > 0]
    assert still == []


def normalised(graph):
    """D^-1/2 A D^-1/2 of a `Graph`, dense, float64."""
    scale = graph.scale.double().numpy()
    return scale * graph.sums(torch.eye(len(scale))).double().numpy() * scale.T


def test_the_adjacency_by_hand():
    """Degrees 2 and 1 of users, 1, 2 and 0 of items: a repeated event is one edge."""
    r2, half = 2**-0.5, 1 / 2
    expected = np.zeros((5, 5))
    expected[0, 2], expected[0, 3], expected[1, 3] = r2, half, r2
    expected += expected.T
    np.testing.assert_allclose(normalised(Graph(LOG, "cpu")), expected, rtol=1e-6)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_propagation_is_that_of_dense_matrices(n_layers):
    """Values, and gradients through it, against powers of the dense adjacency in float64."""
    train = tiny_log()
    graph = Graph(train, "cpu")
    dense = normalised(graph)
    mean = sum(np.linalg.matrix_power(dense, k) for k in range(n_layers + 1)) / (n_layers + 1)
    start = torch.randn(len(dense), 3, requires_grad=True)
    weights = torch.randn(len(dense), 3)
    found = propagated(graph, start, n_layers)
    (found * weights).sum().backward()
    np.testing.assert_allclose(found.detach(), mean @ start.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(start.grad, mean.T @ weights.numpy(), atol=1e-5)


def test_sums_of_neighbours_are_the_product_with_the_matrix():
    """What a GPU takes, the sparse matrix, and what a CPU takes, sums of bags, are one map."""
    graph = Graph(tiny_log(), "cpu")
    vectors = torch.randn(len(graph.scale), 5)
    torch.testing.assert_close(graph.sums(vectors), graph._as_matrix() @ vectors)


def test_what_was_propagated_is_dropped_when_training_goes_on():
    """In evaluation twice the same tensors; after a step of training other ones."""
    model = model_of("light_gcn", with_users(tiny_log())).eval()
    with torch.no_grad():
        first = model.propagate()
        assert model.propagate() is first
        model.train()
        model.items.weight.add_(1.0)
        model.eval()
        assert not torch.equal(model.propagate()[1], first[1])


def test_simplex_by_hand():
    """G = 1/4: h = (1/4) (4, 0) + (3/4) V (0, 4) with V twice the identity is (1, 6)."""
    encoder = UserAndHistory(1, 2, 0.25)
    with torch.no_grad():
        encoder.users.weight.copy_(torch.tensor([[4.0, 0.0]]))
        encoder.transform.weight.mul_(2)
    method = SimpleX(SimpleXParams(dim=2))
    method._encoder, method._ordered = encoder.eval(), False
    method._item_table = torch.tensor([[0.0, 2.0], [0.0, 6.0], [5.0, 5.0]])
    history = Lists.of([[0, 1], [0, 1], []])
    asked = Queries(np.array([0, -1, -1]), history, Lists.empty(3))
    expected = [[1 / 37**0.5, 6 / 37**0.5], [0, 1], [0, 0]]  # the unknown: its history alone
    np.testing.assert_allclose(method.encode(asked), expected, rtol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_known_user_is_itself_and_an_unknown_one_its_history(name):
    """Swapped users swap scores, whatever the history; of unknown users equal histories tie."""
    cls, params = METHODS[name]
    method, log = cls(params, seed=1), tiny_log()
    method.fit(log, tiny_held_out(log))
    method.build()
    queries, items = tiny_held_out(log).queries, np.arange(N_ITEMS)
    same = queries.history.take(np.zeros(4, np.int64))
    asked = Queries(np.array([3, 5, -1, -1]), same, Lists.empty(4))
    scores = method.score(asked, items)
    assert not np.allclose(scores[0], scores[1])
    np.testing.assert_allclose(scores[2], scores[3])
    swapped = method.score(dataclasses.replace(asked, user_ids=np.array([5, 3, -1, -1])), items)
    np.testing.assert_allclose(swapped, scores[[1, 0, 2, 3]], rtol=1e-5, atol=1e-6)
    table, vectors = method._item_table.numpy(), method._index.vectors()
    if name != "simplex":
        mean = table[same.row(0)].mean(axis=0)
        np.testing.assert_allclose(scores[2], vectors @ mean, rtol=1e-4, atol=1e-6)
    else:
        assert (np.abs(scores) <= 1 + 1e-6).all()


def test_what_a_user_met_in_training_is_no_negative():
    """All of it, in every batch, not the history of an example alone."""
    train = with_users(tiny_log())
    model = model_of("bpr", train)
    for batch in epoch_batches(train, 100, 2, np.random.default_rng(0)):
        users = users_of(batch)
        seen = model.seen_items(batch)
        for row, user in enumerate(users):
            assert seen.row(row).tolist() == sorted(train.events.row(int(user)).tolist())
            assert batch.targets[row] in seen.row(row)


def test_the_penalty_by_hand():
    """l2 = 2: the mean squared length of users, of targets and of negatives, once each."""
    train = with_users(LOG)
    model = model_of("bpr", train, l2=2.0)
    with torch.no_grad():
        model.encoder.users.weight.copy_(torch.arange(8.0).view(2, 4))
        model.items.weight.copy_(torch.arange(12.0).view(3, 4))
    batch = next(epoch_batches(train, 4, 5, np.random.default_rng(0)))
    drawn = NegativeSampler(train, 3, np.random.default_rng(0)).draw(batch.targets)
    penalty = model.batch_scores(batch, drawn)[2]
    users = (3 * 14 + 126) / 4  # 0 + 1 + 4 + 9; 16 + 25 + 36 + 49
    items = [14, 126, 366]
    expected = users + (2 * 14 + 2 * 126) / 4 + sum(items) / 3
    assert penalty.item() == pytest.approx(expected)


def test_the_penalty_of_simplex_is_of_all_vectors():
    """l2 = 2: the squared length of both tables, whatever the batch; its gradient is 2 e."""
    train = with_users(LOG)
    model = model_of("simplex", train, l2=2.0)
    batch = next(epoch_batches(train, 1, 5, np.random.default_rng(0)))
    drawn = NegativeSampler(train, 2, np.random.default_rng(0)).draw(batch.targets)
    penalty = model.batch_scores(batch, drawn)[2]
    tables = [model.encoder.users.weight, model.items.weight]
    assert penalty.item() == pytest.approx(sum((one**2).sum().item() for one in tables))
    penalty.backward()
    for one in tables:
        torch.testing.assert_close(one.grad, 2 * one.detach())


def test_vectors_start_as_long_as_asked():
    """The spread of SimpleX is 1e-4, its paper's; that of the others 0.1."""
    train = with_users(tiny_log())
    for cls, params in METHODS.values():
        model = cls(params).new_model(train)
        for one in (model.encoder.users.weight, model.items.weight):
            assert one.std().item() == pytest.approx(params.init_std, rel=0.3)


def test_short_vectors_turn_faster_under_adam():
    """After 20 steps from 1e-4 the loss of SimpleX is lower than from 1, all else being equal."""
    train, losses = tiny_log(), []
    for init_std in (1.0, 1e-4):
        params = SimpleXParams(dim=8, epochs=1, batch_size=20, n_negatives=9, init_std=init_std)
        method = SimpleX(params, seed=1)
        method.fit(train, None)
        method.build()
        losses.append(method.footprint().history["fit"][0]["loss"])
    assert losses[1] < losses[0] - 0.1


def test_dropout_is_of_training_alone():
    """A share of the coordinates is dropped, the rest scaled up; what serves is whole."""
    encoder = UserAndHistory(1, 1000, 1.0, 0.5)
    asked = Askers.of(np.array([0]), Lists.empty(1), "cpu")
    table = torch.zeros(1, 1000)
    whole = encoder.eval()(asked, table)
    dropped = encoder.train()(asked, table)
    assert 0.4 < (dropped == 0).float().mean().item() < 0.6
    torch.testing.assert_close(dropped[dropped != 0], 2 * whole[dropped != 0])


def test_without_a_history_share_an_unknown_user_is_still_its_history():
    """G = 1: a known user is its vector alone, an unknown one the transformed mean."""
    encoder = UserAndHistory(1, 2, 1.0).eval()
    with torch.no_grad():
        encoder.users.weight.copy_(torch.tensor([[3.0, 4.0]]))
    asked = Askers.of(np.array([0, -1]), Lists.of([[0], [0]]), "cpu")
    found = encoder(asked, torch.tensor([[0.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        (BPRParams, {"loss": "ccl"}, "loss = 'ccl' needs scores that are cosines"),
        (BPRParams, {"l2": -1.0}, "l2 = -1.0 must be at least 0"),
        (LightGCNParams, {"n_layers": 0}, "n_layers = 0 must be above 0"),
        (LightGCNParams, {"l2": -1.0}, "l2 = -1.0 must be at least 0"),
        (SimpleXParams, {"dropout": 1.0}, "dropout = 1.0 must be at least 0 and below 1"),
        (SimpleXParams, {"init_std": 0.0}, "init_std = 0.0 must be above 0"),
        (SimpleXParams, {"final_rate": 2.0}, "final_rate = 2.0 must be at most 1"),
        (SimpleXParams, {"g": 1.5}, "g = 1.5 must lie in 0..1"),
        (SimpleXParams, {"l2": -1.0}, "l2 = -1.0 must be at least 0"),
    ],
)
def test_senseless_values_are_refused(cls, given, message):
    """With the name, what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        cls(**given)

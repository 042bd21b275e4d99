"""SimpleX's attention over histories against loops, its vectors of histories, its biases."""

import numpy as np
import pytest
import torch

from harness.lists import Lists
from harness.testing import tiny_log
from methods.batches import epoch_batches
from methods.encoders.tensors import Bags
from methods.matrix_factorisation.history_pooling import HistoryPooling
from methods.matrix_factorisation.model import CosineFactors
from methods.matrix_factorisation.params import SimpleXParams
from methods.matrix_factorisation.retriever import SimpleX
from methods.matrix_factorisation.users import with_users
from methods.matrix_factorisation.vectors import Askers, UserAndHistory
from methods.negatives import NegativeSampler, Sampling

HISTORIES = Lists.of([[0, 1, 4], [], [2, 2], [3]])


@pytest.mark.parametrize("name", ["mean", "user_attention", "self_attention"])
def test_pooling_is_that_of_a_loop(name):
    """In float64, a history at a time: exp(<tanh(W v + b), q>) weighs, over their sum."""
    torch.manual_seed(0)
    pooling, table, own = HistoryPooling(3, name), torch.randn(5, 3), torch.randn(4, 3)
    found = pooling(Bags.of(HISTORIES, "cpu"), own, table).detach().numpy()
    vectors = table.double().numpy()
    for row in range(4):
        ids = HISTORIES.row(row)
        weights = np.ones(len(ids))
        if name != "mean":
            weight, bias = (one.detach().double().numpy() for one in pooling.keys.parameters())
            query = own[row] if name == "user_attention" else pooling.query.detach()
            weights = np.exp(np.tanh(vectors[ids] @ weight.T + bias) @ query.double().numpy())
        expected = weights @ vectors[ids] / max(weights.sum(), 1e-9)
        np.testing.assert_allclose(found[row], expected, atol=1e-6)


def test_attention_of_an_unknown_user_is_the_mean():
    """Its vector is zero, so that all items of its history weigh alike."""
    torch.manual_seed(0)
    encoder = UserAndHistory(2, 3, 0.5, pooling="user_attention").eval()
    plain = UserAndHistory(2, 3, 0.5).eval()
    table, history = torch.randn(5, 3), Lists.of([[0, 1, 4]])
    unknown = Askers.of(np.array([-1]), history, "cpu")
    torch.testing.assert_close(encoder(unknown, table), plain(unknown, table))


def test_no_history_at_all_is_pooled_to_zeros():
    """A batch in which nobody has a history; the gradient of the users' vectors is there."""
    encoder = UserAndHistory(2, 3, 0.5, pooling="user_attention")
    with torch.no_grad():
        encoder.users.weight.copy_(torch.tensor([[3.0, 0.0, 4.0], [1.0, 0.0, 0.0]]))
    asked = Askers.of(np.array([0, 1]), Lists.empty(2), "cpu")
    found = encoder(asked, torch.randn(5, 3))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.0, 0.8], [1.0, 0.0, 0.0]]))


def small_model(**given):
    train = with_users(tiny_log())
    torch.manual_seed(0)
    params = SimpleXParams(dim=4, n_negatives=9, init_std=0.1, **given)
    return train, SimpleX(params).new_model(train)


def a_step(train):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 32, 5, random))
    return batch, NegativeSampler(train, Sampling(6), random).draw(batch.targets)


def test_histories_have_vectors_of_their_own():
    """They are what a history is pooled from; items are scored by the others."""
    train, model = small_model(own_history_vectors=True, g=0.0)
    assert model.item_table() is model.history_items.weight
    batch, _ = a_step(train)
    model.eval()
    before = model.all_scores(batch).detach()
    with torch.no_grad():
        model.history_items.weight.mul_(-1)
    torch.testing.assert_close(model.all_scores(batch).detach(), -before)


def test_a_bias_is_added_to_the_cosine():
    """That of the item wherever scores are; those of the user and of all only in training."""
    train, model = small_model(bias=True)
    plain = small_model()[1]
    plain.load_state_dict(
        {name: one for name, one in model.state_dict().items() if "bias" not in name}
    )
    batch, negatives = a_step(train)
    with torch.no_grad():
        model.item_biases.weight.copy_(torch.arange(train.n_items).float()[:, None])
        model.user_biases.weight.fill_(100.0)
        model.common_bias.fill_(1000.0)
    of_items = np.asarray(negatives.items, np.float32), np.asarray(batch.targets, np.float32)
    for training, of_user in ((True, 1100.0), (False, 0.0)):
        model.train(training)
        plain.train(training)
        with torch.no_grad():
            positive, negative, _ = model.batch_scores(batch, negatives)
            cosines = plain.batch_scores(batch, negatives)
            vectors = model.batch_vectors(batch, negatives)
        torch.testing.assert_close(
            negative, cosines[1] + torch.from_numpy(of_items[0]) + of_user, rtol=1e-6, atol=1e-4
        )
        torch.testing.assert_close(
            positive, cosines[0] + torch.from_numpy(of_items[1]) + of_user, rtol=1e-6, atol=1e-4
        )
        products = vectors.queries @ vectors.negatives.T
        torch.testing.assert_close(products, negative, rtol=1e-6, atol=1e-4)


def test_gradients_reach_biases_and_attention():
    """Every parameter of the largest form; the penalty is of all tables."""
    train, model = small_model(
        bias=True, pooling="user_attention", own_history_vectors=True, l2=2.0
    )
    assert isinstance(model, CosineFactors)
    batch, negatives = a_step(train)
    positive, negative, penalty = model.batch_scores(batch, negatives)
    named = ("encoder.users", "items", "history_items", "item_biases", "user_biases")
    tables = [model.get_submodule(name).weight for name in named]
    assert penalty.item() == pytest.approx(sum((one**2).sum().item() for one in tables), rel=1e-5)
    (positive.square().sum() - negative.logsumexp(1).sum()).backward()
    still = [key for key, one in model.named_parameters() if not one.grad.abs().sum() > 0]
    assert still == []


def test_a_bias_makes_popular_items_rise():
    """Of a log in which every user met item 0, its bias ends above that of all others."""
    log = tiny_log()
    rows = [np.unique(np.append(log.events.row(user), 0)).tolist() for user in range(log.n_users)]
    train = type(log)(Lists.of(rows), log.n_items)
    method = SimpleX(SimpleXParams(dim=4, epochs=10, n_negatives=9, bias=True, batch_size=32))
    method.fit(train, None)
    method.build()
    biases = method._model.item_biases.weight.detach().numpy()[:, 0]
    assert biases.argmax() == 0

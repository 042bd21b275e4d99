"""TwoTower: gradients of every part, refit, parameters, the account of bytes."""

import numpy as np
import pytest
import torch

from harness.interactions import Interactions
from harness.testing import tiny_held_out, tiny_log
from methods.batches import epoch_batches
from methods.negatives import NegativeSampler
from methods.training import RankingModel
from methods.two_tower.retriever import TwoTower, TwoTowerParams
from methods.two_tower.towers import TwoTowerModel

SMALL = TwoTowerParams(dim=8, hidden=16, epochs=6, batch_size=32, n_negatives=8, learning_rate=0.01)


def first_batch(train, n_negatives=8):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 32, 5, random))
    return batch, NegativeSampler(train, n_negatives, random).draw()


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


@pytest.mark.parametrize("name", TwoTowerParams.__slots__)
def test_senseless_values_are_refused(name):
    """Zero of anything, with the name and the value in the message."""
    with pytest.raises(ValueError, match=f"{name} = 0 must be above 0"):
        TwoTowerParams(**{name: 0})


def test_no_queries():
    """An empty batch has an empty answer."""
    method = TwoTower(SMALL, seed=0)
    method.fit(tiny_log())
    method.build()
    none = tiny_held_out(tiny_log()).queries.take(np.zeros(0, np.int64))
    assert method.search(none, 3).ids.shape == (0, 3)

"""The training loop: what it keeps, when it stops, that a seed settles everything."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from harness.errors import MethodError
from harness.fields import Fields
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import Lists
from harness.progress import silent
from methods.training import RankingModel, TrainingParams, train_model, training
from methods.training.judge import judge_of

N_ITEMS = 6
TRAIN = Interactions(Lists.of([[0, 1, 2], [3, 4, 5]]), N_ITEMS)
SETTINGS = TrainingParams(
    epochs=8, patience=2, batch_size=4, n_negatives=N_ITEMS, learning_rate=0.1, max_history=5
)


def held_out(relevant, hidden=((),)):
    n = len(relevant)
    queries = Queries(np.arange(n), Lists.empty(n), Lists.of(hidden), Fields(n))
    return HeldOut(queries, Lists.of(relevant))


class Scripted(RankingModel):
    """Ranks item 0 at a rank that the test wrote down for each epoch; notes what happens."""

    def __init__(self, ranks, warming=0):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(N_ITEMS))
        self.register_buffer("epoch", torch.tensor(-1))
        self.ranks, self.warming, self.shown = ranks, warming, []

    def begin_epoch(self, epoch, recent):
        self.epoch.fill_(epoch)
        self.shown.append(len(recent))

    @property
    def is_warming_up(self):
        return int(self.epoch) < self.warming

    def batch_scores(self, batch, negatives):
        scores = self.weight.expand(len(batch.targets), -1)
        rows = torch.arange(len(batch.targets))
        return scores[rows, torch.from_numpy(batch.targets)], scores[:, negatives.items], 0.0

    def all_scores(self, batch):
        scores = -torch.arange(N_ITEMS, dtype=torch.float32)  # item 1 first, then 2, 3 ...
        scores[0] = -self.ranks[int(self.epoch)] + 0.5  # below so many of the others
        return scores.expand(len(batch.history), -1).clone()


def train(model, settings=SETTINGS, validation=None, seed=1):
    told = []
    trained = train_model(
        model,
        TRAIN,
        validation,
        settings,
        seed,
        lambda stage, done, total, note="": told.append((stage, done, total)),
    )
    return trained, told


def test_the_best_epoch_is_kept_and_patience_ends_training():
    """Ranks 3, 1, 2, 2: the second epoch is best, two worse ones follow, the fifth never comes."""
    model = Scripted([3, 1, 2, 2, 1, 1, 1, 1])
    trained, told = train(model, validation=held_out([[0]]))
    assert trained.epochs == 2
    assert int(model.epoch) == 1
    assert told == [("train", done, 8) for done in (1, 2, 3, 4)]
    np.testing.assert_allclose(
        trained.validation, [1 / math.log2(1 + rank) for rank in (3, 1, 2, 2)], rtol=1e-6
    )
    assert not model.training


def test_an_epoch_of_the_warm_up_is_never_kept():
    """Rank 1 while warming up does not count, nor does patience run before there is a best."""
    model = Scripted([1, 1, 1, 3, 2, 3, 3, 1], warming=3)
    trained, told = train(model, validation=held_out([[0]]))
    assert trained.epochs == 5
    assert len(told) == 7


def test_without_validation_all_epochs_are_trained():
    """The last epoch's weights are kept."""
    model = Scripted([1] * 8)
    trained, _ = train(model)
    assert (trained.epochs, trained.validation) == (8, [])
    assert model.shown == [0] + [2] * 7  # six events in batches of four: both are shown


def test_hidden_items_do_not_count_as_ranked_above():
    """Item 0 stands below 1 and 2; with both hidden its rank is 1."""
    trained, _ = train(Scripted([3] * 8), validation=held_out([[0]], hidden=[[1, 2]]))
    assert trained.validation[0] == 1.0


@pytest.mark.parametrize(("n_validation", "scored"), [(2, 2), (0, 5), (1000, 5)])
def test_an_epoch_is_scored_by_as_many_validation_queries_as_asked_for(n_validation, scored):
    """A sample by lot, the same in each epoch; 0 and more than there are: all of them."""
    asked = []

    class Noting(Scripted):
        def all_scores(self, batch):
            asked[-1] += len(batch.history)
            return super().all_scores(batch)

        def begin_epoch(self, epoch, recent):
            asked.append(0)
            super().begin_epoch(epoch, recent)

    settings = dataclasses.replace(SETTINGS, n_validation=n_validation)
    train(Noting([3] * 8), settings, held_out([[0]] * 5, [()] * 5))
    assert asked == [scored] * 3  # patience 2


def test_a_model_that_ties_all_items_stands_in_the_middle():
    """Six equal scores: the expected rank is 1 + 5 / 2."""

    class Tied(Scripted):
        def all_scores(self, batch):
            return torch.zeros(len(batch.history), N_ITEMS)

    trained, _ = train(Tied([1] * 8), validation=held_out([[4]]))
    assert trained.validation[0] == pytest.approx(1 / math.log2(4.5))


def test_the_same_seed_gives_the_same_weights():
    """Whatever was drawn from torch's generator before; another seed gives others."""
    results = []
    for seed in (1, 1, 2):
        torch.rand(len(results) + 1)
        model = Scripted([1] * 8)
        train(model, TrainingParams(8, 2, 2, 3, 0.1, 5), seed=seed)
        results.append(model.weight.detach().clone())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_training_lowers_the_loss():
    """Items 0 to 2 only in the log: their weights rise above the others'."""
    model = Scripted([1] * 8)
    train_model(model, Interactions(Lists.of([[0, 1, 2]] * 4), N_ITEMS), None, SETTINGS, 0, silent)
    assert model.weight[:3].min() > model.weight[3:].max()


def test_weight_decay_is_that_of_adamw():
    """A weight without a gradient shrinks by learning rate times decay a step, and only so."""
    model = Scripted([1] * 8)
    model.idle = nn.Parameter(torch.ones(2))
    idle = 1.0

    def scores(batch, negatives):
        positive, negative, extra = Scripted.batch_scores(model, batch, negatives)
        return positive, negative, extra + 0 * model.idle.sum()

    model.batch_scores = scores
    for epoch in range(8):
        idle *= (1 - 0.1 * (1 - 0.9 * epoch / 7) * 0.25) ** 2  # two steps an epoch
    train(model, dataclasses.replace(SETTINGS, weight_decay=0.25))
    assert model.idle.tolist() == pytest.approx([idle] * 2)
    model.idle = nn.Parameter(torch.ones(2))
    train(model)
    assert model.idle.tolist() == [1.0, 1.0]


def test_the_history_tells_each_epoch():
    """Loss over examples, rate, validation and the model's own facts; the note shows them."""
    notes = []
    model = Scripted([1] * 8)
    model.epoch_facts = lambda: {"codes_in_use": 3 + int(model.epoch)}
    trained = train_model(
        model, TRAIN, held_out([[0]]), SETTINGS, 1, lambda *told: notes.append(told[3])
    )
    first, second, *_ = trained.history
    assert list(first) == ["epoch", "learning_rate", "loss", "validation", "codes_in_use"]
    assert first["learning_rate"] == 0.1
    assert second["learning_rate"] == pytest.approx(0.1 * (1 - 0.9 / 7))
    assert [one["codes_in_use"] for one in trained.history] == [3, 4, 5]  # patience 2, best first
    assert [one["validation"] for one in trained.history] == trained.validation
    assert notes[1] == f"validation 1, loss {second['loss']:.4f}, codes_in_use 4"


def test_the_loss_of_an_epoch_is_the_mean_over_examples():
    """With a rate too small to move anything: log of the number of items, of batches of 4 and 2."""
    settings = dataclasses.replace(SETTINGS, epochs=1, learning_rate=1e-12)
    trained, _ = train(Scripted([1]), settings)
    assert trained.history[0]["loss"] == pytest.approx(math.log(N_ITEMS))


def test_a_long_epoch_tells_how_far_it_is(monkeypatch):
    """After each step, where two seconds have passed since the last word."""
    monkeypatch.setattr(training, "TELL_EVERY_S", 0.0)
    told = []
    train_model(Scripted([1]), TRAIN, None, SETTINGS, 1, lambda *one: told.append(one), 1)
    assert told[:2] == [("train", 0, 1, "step 1 of 2"), ("train", 0, 1, "step 2 of 2")]
    assert told[2][:3] == ("train", 1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs = 0 must be above 0"),
        ({"weight_decay": -0.1}, "weight_decay = -0.1 must be at least 0"),
        ({"weight_decay": math.nan}, "weight_decay = nan must be at least 0"),
    ],
)
def test_impossible_parameters_are_refused(changes, message):
    """With the name, what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETTINGS, **changes).check_positive()
    dataclasses.replace(SETTINGS, weight_decay=0.0).check_positive()


def test_the_last_epoch_has_the_share_of_the_rate_that_was_asked_for():
    """A straight line from 0.1 to 0.1 * 0.02 in eight epochs; with 1 it stays."""
    for share in (0.02, 1.0):
        settings = dataclasses.replace(SETTINGS, final_rate=share)
        trained, _ = train(Scripted([1] * 8), settings)
        rates = [one["learning_rate"] for one in trained.history]
        np.testing.assert_allclose(rates, np.linspace(0.1, 0.1 * share, 8))


class Diverging(Scripted):
    """Its loss, and from then on its scores, are no numbers from an epoch on, as of an overflow."""

    def __init__(self, ranks, since):
        super().__init__(ranks)
        self.since = since

    def batch_scores(self, batch, negatives):
        positive, negative, extra = super().batch_scores(batch, negatives)
        lost = float("nan") if int(self.epoch) >= self.since else 0.0
        return positive + lost, negative, extra

    def all_scores(self, batch):
        lost = float("nan") if int(self.epoch) >= self.since else 0.0
        return super().all_scores(batch) + lost


def test_a_training_that_diverges_keeps_the_best_epoch_before_and_ends():
    """Ranks 3 and 2, then NaN: epoch 2 is kept, and epoch 3, ranked last, is the last."""
    model = Diverging([3, 2, 1, 1, 1, 1, 1, 1], since=2)
    trained, told = train(model, validation=held_out([[0]]))
    assert trained.epochs == 2
    assert len(told) == len(trained.history) == 3
    assert trained.validation[2] == pytest.approx(1 / math.log2(2 + N_ITEMS))
    assert not any(torch.isnan(one).any() for one in model.state_dict().values())


@pytest.mark.parametrize("validation", [held_out([[0]]), None])
def test_a_training_that_diverges_at_once_is_an_error(validation):
    """Nothing is worth keeping: says which epoch, and what to try."""
    message = "the loss of epoch 1 of 8 is nan.*try a learning_rate below 0.1"
    with pytest.raises(MethodError, match=message):
        train(Diverging([1] * 8, since=0), validation=validation)


class Lost(Scripted):
    """Ranks item 0 first and 1 second, but one item's score is no number."""

    def all_scores(self, batch):
        scores = -torch.arange(N_ITEMS, dtype=torch.float32)
        scores[self.ranks] = float("nan")
        return scores.expand(len(batch.history), -1).clone()


@pytest.mark.parametrize(("lost", "rank"), [(0, 1 + N_ITEMS), (1, 2)])
def test_a_score_that_is_no_number_is_ranked_last(lost, rank):
    """The held-out item's own: after all six; another's: it stands before."""
    judge = judge_of(Lost(lost), held_out([[0]]), TRAIN, SETTINGS, 1)
    assert judge() == pytest.approx(1 / math.log2(1 + rank))

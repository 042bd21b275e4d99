"""Losses: each against numbers worked by hand and an oracle in numpy; the log-Q correction."""

import itertools
import math

import numpy as np
import pytest
import torch

from harness.interactions import Interactions
from harness.lists import Lists
from methods.losses import RankingLoss, gbce_power, sampled_softmax
from methods.negatives import NegativeSampler, Sampling
from methods.sequence_batches import SequenceBatches

NOTHING = torch.zeros(1, 2, dtype=torch.bool)
LOSSES = {
    "full_softmax": {},
    "sampled_softmax": {"temperature": 0.5},
    "bce": {},
    "gbce": {"n_items": 40, "gbce_t": 0.6},
    "bpr": {"temperature": 2.0},
    "ccl": {"ccl_margin": 0.2, "ccl_weight": 7.0},
}


def log_sigma(x):
    return -math.log1p(math.exp(-x))


def one_row(name, positive, negative, log_expected, excluded, given):
    """Return the loss of one example by its formula, a negative at a time."""
    t = given.get("temperature", 1.0)
    positive = positive if name == "ccl" else positive / t
    kept = [
        (score if name == "ccl" else score / t, expected)
        for score, expected, out in zip(negative, log_expected, excluded, strict=True)
        if not out
    ]
    if name.endswith("softmax"):
        total = math.exp(positive) + sum(math.exp(s) / math.exp(e) for s, e in kept)
        return math.log(total) - positive
    if name in ("bce", "gbce"):
        beta = 1.0
        if name == "gbce":
            alpha = len(negative) / (given["n_items"] - 1)
            beta = alpha * (given["gbce_t"] * (1 - 1 / alpha) + 1 / alpha)
        rejected = sum(math.log(1 - 1 / (1 + math.exp(-s))) for s, _ in kept)
        return -(beta * log_sigma(positive) + rejected) / (len(kept) + 1)
    if name == "bpr":
        return sum(-log_sigma(positive - s) for s, _ in kept) / max(len(kept), 1)
    above = sum(max(0.0, s - given["ccl_margin"]) for s, _ in kept)
    return max(0.0, 1 - positive) + given["ccl_weight"] * above / max(len(kept), 1)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_their_formulas(name, own):
    """float64, shared and own negatives, some excluded, in one row all: the oracle's mean."""
    random = np.random.default_rng(3)
    positive, negative = random.uniform(-1, 1, 7), random.uniform(-1, 1, (7, 5))
    positive[1] = 1.5  # of a cosine under dropout, or with a bias
    log_expected = random.normal(size=(7, 5) if own else 5)
    excluded = random.random((7, 5)) < 0.3
    excluded[2] = True
    rows = np.broadcast_to(log_expected, (7, 5))
    expected = np.mean(
        [one_row(name, *row, LOSSES[name]) for row in zip(positive, negative, rows, excluded)]  # noqa: B905
    )
    tensors = [torch.from_numpy(one) for one in (positive, negative, log_expected, excluded)]
    loss = RankingLoss(name, **LOSSES[name])(*tensors)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        # scores ln 3, then 0 and ln 3: sigma = 3/4, 1/2 and 3/4
        ("bce", {}, -(math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 4)) / 3),
        # 2 of 4 others: alpha 1/2; t = 1/2: beta = 1 - 1/2 * 1/2 = 3/4
        (
            "gbce",
            {"n_items": 5, "gbce_t": 0.5},
            -(3 / 4 * math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 4)) / 3,
        ),
        # differences ln 3 and 0
        ("bpr", {}, -(math.log(3 / 4) + math.log(1 / 2)) / 2),
        # nothing for a target above 1, and 4 / 2 * (ln 3 - 1/2)
        ("ccl", {"ccl_margin": 0.5, "ccl_weight": 4.0}, 2 * math.log(3) - 1),
        # the target's share: three sevenths
        ("full_softmax", {}, math.log(7 / 3)),
    ],
)
def test_losses_by_hand(name, given, expected):
    """Target ln 3, negatives 0 and ln 3."""
    three = math.log(3)
    scores = torch.tensor([three]), torch.tensor([[0.0, three]])
    loss = RankingLoss(name, **given)(*scores, torch.zeros(2), NOTHING)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_gbce_powers_by_hand():
    """T = 0 is BCE whatever is drawn, t = 1 is alpha; all drawn: BCE whatever t is."""
    assert gbce_power(5, 11, 0.0) == 1
    assert gbce_power(5, 11, 1.0) == 0.5
    assert gbce_power(256, 3417, 0.75) == pytest.approx(1 - 0.75 * (1 - 256 / 3416))
    assert gbce_power(11, 11, 0.9) == 1


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    """In float64; an excluded negative, however large, has none and changes nothing."""
    torch.manual_seed(0)
    positive = torch.rand(4, dtype=torch.float64, requires_grad=True)
    negative = torch.rand(4, 6, dtype=torch.float64, requires_grad=True)
    log_expected = torch.rand(6, dtype=torch.float64)
    excluded = torch.rand(4, 6) < 0.3
    loss = RankingLoss(name, **LOSSES[name])
    assert torch.autograd.gradcheck(
        lambda *scores: loss(*scores, log_expected, excluded), (positive, negative)
    )
    large = torch.where(excluded, 50.0, negative).detach().requires_grad_()
    again = loss(positive, large, log_expected, excluded)
    assert again.item() == loss(positive, negative, log_expected, excluded).item()
    again.backward()
    assert (large.grad[excluded] == 0).all()


def test_the_whole_catalogue_gives_the_full_softmax():
    """With every item as a negative and expectation one it is the cross-entropy of torch."""
    torch.manual_seed(0)
    scores, targets = torch.randn(6, 9), torch.tensor([0, 8, 3, 3, 5, 1])
    positive = scores[torch.arange(6), targets]
    is_target = targets[:, None] == torch.arange(9)
    loss = sampled_softmax(positive, scores, torch.zeros(9), is_target)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, targets))


def test_a_worked_case_of_log_q():
    """Target e^1; negatives e^0 expected 2 times, e^2 expected 1/2: Z = e + 1/2 + 2 e^2."""
    expected = torch.tensor([math.log(2), math.log(0.5)])
    loss = sampled_softmax(torch.tensor([1.0]), torch.tensor([[0.0, 2.0]]), expected, NOTHING)
    assert math.isclose(loss.item(), math.log(math.e + 0.5 + 2 * math.e**2) - 1, rel_tol=1e-6)


# Items 0, 1, 2 with three, two and one event: every item can be drawn in every way.
TRAIN = Interactions(Lists.of([[0, 0, 0], [1, 1, 2]]), 3)
SHARES = np.array([3, 2, 1]) / 6
SCORES = np.array([0.3, -1.0, 1.2])


def partition(drawn, target, n=3, row=0):
    """Return the sum that an example of n estimates, the first if not said, from its loss."""
    excluded = drawn.excluded(n, torch.device("cpu"))[[row]]
    scores = torch.from_numpy(SCORES)
    loss = sampled_softmax(
        scores[target, None], scores[drawn.items][None], drawn.log_expected.double(), excluded
    )
    return math.exp(loss.item() + SCORES[target])


class Scripted:
    """Stands for numpy's generator: gives the draws of one outcome."""

    def __init__(self, uniform, popular):
        self.uniform, self.popular = np.array([uniform], np.int64), np.array([popular])

    def integers(self, n, size):
        assert n == 3
        return self.uniform.reshape(size)

    def random(self, size):
        starts = np.concatenate(([0], np.cumsum(SHARES)[:-1]))
        middle = starts + SHARES / 2
        return middle[self.popular.astype(np.int64)].reshape(size)


@pytest.mark.parametrize(
    ("kind", "n_uniform", "n_popular"), [("uniform", 2, 0), ("popularity", 0, 2), ("mixed", 1, 1)]
)
def test_the_partition_sum_has_no_bias(kind, n_uniform, n_popular):
    """Over all outcomes of two draws, each with its odds, the mean is the catalogue's sum."""
    for target in range(3):
        mean, mass = 0.0, 0.0
        for items in itertools.product(range(3), repeat=2):
            uniform, popular = items[:n_uniform], items[n_uniform:]
            odds = (1 / 3) ** n_uniform * math.prod(SHARES[one] for one in popular)
            sampler = NegativeSampler(TRAIN, Sampling(2, kind), Scripted(uniform, popular))
            mean += odds * partition(sampler.draw(np.array([target, 0])), target)
            mass += odds
        assert mass == pytest.approx(1)
        assert mean == pytest.approx(np.exp(SCORES).sum(), rel=1e-6)


@pytest.mark.parametrize(("kind", "n_uniform"), [("in_batch", 0), ("uniform_in_batch", 1)])
def test_the_partition_sum_of_a_batch_of_events_has_no_bias(kind, n_uniform):
    """Over all batches of three of the log's six events, given the first, and all draws beside."""
    events = TRAIN.item_ids
    for first in range(6):
        others = [one for one in range(6) if one != first]
        sums = [
            partition(
                NegativeSampler(TRAIN, Sampling(n_uniform, kind), Scripted(drawn, ())).draw(
                    events[[first, *pair]]
                ),
                int(events[first]),
            )
            for pair in itertools.permutations(others, 2)
            for drawn in itertools.product(range(3), repeat=n_uniform)
        ]
        assert np.mean(sums) == pytest.approx(np.exp(SCORES).sum(), rel=1e-6)


class Ordered:
    """Stands for numpy's generator: gives sequences in an order that is told."""

    def __init__(self, order):
        self.order = np.array(order)

    def permutation(self, kept):
        return kept[self.order]


@pytest.mark.parametrize(("kind", "n_uniform"), [("in_batch", 0), ("uniform_in_batch", 1)])
def test_the_partition_sum_of_a_batch_of_sequences(kind, n_uniform):
    """Over all batches of 3 of 5 sequences, for each example, and all draws beside.

    Of an example whose sequence has no other target, whatever the lengths of others, the mean is
    the catalogue's sum. Of another it lacks of its sequence's other target, which is the target of
    c sequences, what one sequence adds: it comes in half of the batches (2 of 4), each time with
    the weight of an item expected c / 2 times, and n_uniform / 3 times among the uniform draws.
    """
    # targets 1 2, 0 1, 2, 1 and 0: items 0, 1, 2 are targets of two, three and two sequences
    lists = [[0, 1, 2], [2, 0, 1], [1, 2], [0, 1], [1, 0]]
    train = Interactions(Lists.of(lists), 3, ordered=True)
    times = n_uniform / 3 + np.array([2, 3, 2]) / 2
    sums = {(user, item): [] for user, one in enumerate(lists) for item in one[1:]}
    for order in itertools.permutations(range(5)):
        batches = SequenceBatches(train, 3, 9, Ordered(order))
        batch = batches[0]
        users = np.repeat(order[:3], [len(lists[user]) - 1 for user in order[:3]])
        for drawn in itertools.product(range(3), repeat=n_uniform):
            sampler = NegativeSampler(train, Sampling(n_uniform, kind), Scripted(drawn, ()))
            sampler.expect_targets(batches)
            negatives = sampler.draw(batch.targets, None, batch.sequences)
            for row, key in enumerate(zip(users.tolist(), batch.targets.tolist(), strict=True)):
                sums[key].append(partition(negatives, key[1], len(batch.targets), row))
    for (user, target), estimates in sums.items():
        others = [item for item in lists[user][1:] if item != target]
        lacking = sum(math.exp(SCORES[item]) * (1 / 2) / times[item] for item in others)
        assert np.mean(estimates) == pytest.approx(np.exp(SCORES).sum() - lacking, rel=1e-6)

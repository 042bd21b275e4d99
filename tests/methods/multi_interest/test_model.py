"""The model: which interest is trained, by hand; gradients; batch scores and the catalogue's."""

import numpy as np
import pytest
import torch

from harness.interactions import Interactions
from harness.lists import Lists
from harness.testing import tiny_log
from methods.batches import epoch_batches
from methods.losses import sampled_softmax
from methods.multi_interest.interests import Interests, best_interest, label_aware_attention
from methods.multi_interest.model import MultiInterestModel
from methods.multi_interest.params import MultiInterestParams
from methods.negatives import NegativeSampler, Sampling

ROUTINGS = ["self_attention", "dynamic_routing", "mind"]


def model_of(routing, train=None, **given):
    torch.manual_seed(0)
    params = MultiInterestParams(
        **{"dim": 4, "hidden": 6, "n_interests": 3, "max_history": 5, "routing": routing} | given
    )
    return MultiInterestModel(tiny_log() if train is None else train, params, "cpu")


def batch_of(train, n=12, own=False):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, n, 5, random))
    return batch, NegativeSampler(train, Sampling(6, own=own), random).draw(batch.targets)


def three_interests(counts):
    vectors = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]]).repeat(len(counts), 1, 1)
    return Interests(vectors, torch.tensor(counts))


def test_the_interest_nearest_to_the_target_is_trained():
    """Products 1, 2 and 18, of which the first two, three and one count."""
    chosen = best_interest(three_interests([2, 3, 1]), torch.ones(3, 2))
    assert chosen.tolist() == [[0.0, 2.0], [9.0, 9.0], [1.0, 0.0]]


def test_an_interest_that_does_not_count_has_no_say():
    """Items (1, 1) and (-1, 0): products 1, 2, 18 and -1, 0, -9; two, three and one count."""
    items = torch.tensor([[1.0, 1.0], [-1.0, 0.0]])
    scores = three_interests([2, 3, 1]).scores(items)
    assert scores.tolist() == [[2.0, 0.0], [18.0, 0.0], [1.0, -1.0]]


def test_label_aware_attention_by_hand():
    """Products -1 and 1 with the target (-1, 1/2), power 3: weights e^-1 and e over their sum."""
    found = label_aware_attention(three_interests([2]), torch.tensor([[-1.0, 0.5]]), 3.0)
    low, high = np.exp(-1), np.exp(1)
    wanted = [[low / (low + high), 2 * high / (low + high)]]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float32))


def test_a_large_power_trains_the_best_interest_alone():
    """Products 1.5 and 3; both raised to the 20th."""
    interests, targets = three_interests([2]), torch.full((1, 2), 1.5)
    found = label_aware_attention(interests, targets, 20.0)
    torch.testing.assert_close(found, best_interest(interests, targets))


@pytest.mark.parametrize("routing", ROUTINGS)
def test_scores_of_all_items_are_the_best_products(routing):
    """Of each interest that counts with every item, by loops."""
    train = tiny_log()
    model = model_of(routing).eval()
    batch, _ = batch_of(train)
    with torch.no_grad():
        scores, items = model.all_scores(batch), model.catalogue_vectors().numpy()
        vectors, counts = (one.numpy() for one in model.interests(batch))
    assert (routing == "mind") == bool((counts < 3).any())
    for row, count in enumerate(counts):
        wanted = [max(vectors[row, j] @ item for j in range(count)) for item in items]
        np.testing.assert_allclose(scores[row], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("own", [False, True])
def test_target_and_negatives_are_scored_by_one_vector(routing, own):
    """That of `batch_vectors`; of ComiRec the target's score is the one that search gives it."""
    train = tiny_log()
    model = model_of(routing).eval()
    batch, negatives = batch_of(train, own=own)
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        queries = model.batch_vectors(*batch_of(train)).queries  # the same batch
        products = queries @ model.catalogue_vectors().T
        scores = model.all_scores(batch)
    rows = np.arange(len(batch.targets))
    torch.testing.assert_close(positive, products[rows, batch.targets])
    wanted = products[rows[:, None], np.resize(negatives.items, negative.shape)]
    torch.testing.assert_close(negative, wanted)
    if routing != "mind":
        torch.testing.assert_close(positive, scores[rows, batch.targets])


@pytest.mark.parametrize("routing", ROUTINGS)
@pytest.mark.parametrize("tower", ["mlp", "none"])
def test_the_gradient_of_the_loss_is_that_of_finite_differences(routing, tower):
    """In a direction drawn at random, of all weights at once; and every weight has one."""
    train = tiny_log(ordered=True)
    model = model_of(routing, train, tower=tower).double().eval()
    batch, negatives = batch_of(train)

    def loss():
        positive, negative, extra = model.batch_scores(batch, negatives)
        excluded = negatives.excluded(len(batch.targets), torch.device("cpu"))
        return sampled_softmax(positive, negative, negatives.log_expected, excluded) + extra

    loss().backward()
    weights = list(model.parameters())
    assert all(one.grad.abs().sum() > 0 for one in weights)
    generator = torch.Generator().manual_seed(1)
    direction = [torch.randn(one.shape, generator=generator).double() for one in weights]
    slope = sum((one.grad * way).sum() for one, way in zip(weights, direction, strict=True))
    ends, step = [], 1e-6
    with torch.no_grad():
        for sign in (1, -2):
            for one, way in zip(weights, direction, strict=True):
                one.add_(way, alpha=sign * step)
            ends.append(loss())
    torch.testing.assert_close((ends[0] - ends[1]) / (2 * step), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_batch_without_any_history_trains(routing):
    """Interests are what the tower makes of the fields alone; nothing is NaN."""
    log = tiny_log()
    train = Interactions(Lists.of([[i % 30] for i in range(48)]), 30, user_fields=log.user_fields)
    model = model_of(routing, train)
    positive, negative, _ = model.batch_scores(*batch_of(train))
    (positive.sum() + negative.sum()).backward()
    assert all(one.grad is None or one.grad.isfinite().all() for one in model.parameters())
    assert positive.isfinite().all()

"""The quantile bias: every code keeps its share of the items, whatever training does."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.testing import tiny_log
from methods.batches import Batch, epoch_batches
from methods.negatives import NegativeSampler
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.model.sparsity import list_length, quantile_bias
from methods.sparcode.params import SparCodeParams
from methods.training.scored import dense
from methods.training.training import Training

PARAMS = SparCodeParams(
    dim=8,
    hidden=16,
    n_codewords=8,
    bias="quantile",
    density=0.2,
    warm_up=1,
    anneal=1,
    epochs=5,
    batch_size=64,
    learning_rate=0.02,
)


def test_by_hand():
    """Of 5, 1, 3, 2 half are two items: the bar lies between 3 and 2, and 2.5 and 0.5 are left."""
    scores = torch.tensor([[5.0, 1.0, 3.0, 2.0]], requires_grad=True)
    bias = quantile_bias(scores, 0.5)
    assert bias.tolist() == [-2.5]
    assert torch.relu(scores + bias[:, None]).tolist() == [[2.5, 0.0, 0.5, 0.0]]
    bias.sum().backward()
    assert scores.grad.tolist() == [[0.0, 0.0, -0.5, -0.5]]


@pytest.mark.parametrize(
    ("density", "left"),
    [(0.01, [7.0]), (0.5, [7.0]), (0.75, [7.0, 4.0, 4.0]), (1.0, [7.0, 4.0, 4.0])],
)
def test_short_lists_ties_and_all_items(density, left):
    """One item at least; two of equal score at the bar stay out; of all items the last is at 0."""
    scores = torch.tensor([[4.0, 7.0, 1.0, 4.0]])
    kept = scores + quantile_bias(scores, density)[:, None] > 0
    assert sorted(scores[kept].tolist(), reverse=True) == left


def test_what_all_items_gain_is_worth_nothing():
    """A constant added to a code's scores changes no score of a query, nor has it a gradient."""
    random = torch.Generator().manual_seed(0)
    scores = torch.randn((3, 40), generator=random, dtype=torch.float64)
    shift = torch.zeros((3, 1), dtype=torch.float64, requires_grad=True)
    moved = scores + shift
    sparse = torch.relu(moved + quantile_bias(moved, 0.1)[:, None])
    assert (sparse > 0).sum(1).tolist() == [4, 4, 4]
    (sparse * torch.rand(sparse.shape, generator=random, dtype=torch.float64)).sum().backward()
    weights = torch.autograd.functional.jacobian(
        lambda one: torch.relu(scores + one + quantile_bias(scores + one, 0.1)[:, None]).sum(1),
        torch.full((3, 1), 5.0, dtype=torch.float64),
    )
    assert weights.abs().max() < 1e-12
    assert shift.grad.abs().max() < 1e-12


def code_scores(model):
    """Return s(code, item) of all codes with all items."""
    codes = torch.arange(int(model.encoder.starts[-1]))
    sides = model.interaction.of_tokens(model.encoder.vectors(codes))
    return model.interaction.pairs(sides, model.item_sides())


def positive_share(model):
    """Return the share of positive scores of each code, over the catalogue."""
    scores = code_scores(model)
    codes = torch.arange(len(scores))
    if model.settings.bias == "learned":
        bias = model.bias[model.encoder.groups_of(codes)]
    else:
        bias = quantile_bias(scores, model.settings.density)
    return (scores + bias[:, None] > 0).float().mean(1)


def test_the_density_holds_while_a_learned_bias_drifts():
    """After each epoch with codes every code keeps 20 % of 30 items; a learned b lets more in."""
    train, shares = tiny_log(), {}
    for bias in ("quantile", "learned"):
        params = dataclasses.replace(PARAMS, bias=bias)
        torch.manual_seed(0)
        model = SparCodeModel(train, params.model, "cpu")
        training, shares[bias] = Training(model, train, params, 3, params.epochs), []
        for epoch in range(params.epochs):
            training.run_epoch(None, lambda *news: None)
            if epoch >= params.warm_up:
                with torch.no_grad():
                    shares[bias].append(positive_share(model.eval()))
    for share in shares["quantile"]:
        torch.testing.assert_close(share, torch.full_like(share, 0.2))
    assert shares["learned"][-1].mean() > 0.25


def model_and_batch(**changes):
    """Return a model whose slope is 0, a batch, and every item as a negative."""
    train, random = tiny_log(), np.random.default_rng(0)
    torch.manual_seed(0)
    model = SparCodeModel(train, dataclasses.replace(PARAMS, **changes).model, "cpu")
    batches = list(epoch_batches(train, 32, 5, random))[:3]
    for epoch in range(3):
        model.begin_epoch(epoch, batches if epoch else [])
    sampler = NegativeSampler(train, train.n_items, random)
    return model, batches[0], sampler.draw(batches[0].targets)


def test_a_step_with_all_items_scores_as_serving_does():
    """With the full softmax the sample is the catalogue: bars are the same, not merely alike."""
    model, batch, negatives = model_and_batch()
    with torch.no_grad():
        positive, negative, _ = model.eval().batch_scores(batch, negatives)
        negative = dense(negative)
        scores = model.all_scores(batch)
    torch.testing.assert_close(negative, scores, rtol=1e-4, atol=1e-5)
    rows = np.arange(len(batch.targets))
    torch.testing.assert_close(positive, scores[rows, batch.targets], rtol=1e-4, atol=1e-5)


def test_the_bar_comes_from_uniform_negatives_alone():
    """Negatives by popularity may be replaced by any others, and targets' scores stay."""
    model, batch, _ = model_and_batch()
    drawn = NegativeSampler(tiny_log(), 20, np.random.default_rng(5)).draw(batch.targets)
    others = drawn.items.copy()
    others[drawn.n_uniform :] = 0
    with torch.no_grad():
        one = model.eval().batch_scores(batch, drawn)[0]
        two = model.batch_scores(batch, dataclasses.replace(drawn, items=others))[0]
        changed = np.roll(drawn.items, drawn.n_uniform)
        three = model.batch_scores(batch, dataclasses.replace(drawn, items=changed))[0]
    torch.testing.assert_close(one, two)
    assert not torch.allclose(one, three)


def test_gradients_are_those_of_finite_differences():
    """Of every parameter but b, which is none here; in float64, through the bar as well."""
    model, batch, negatives = model_and_batch(interaction="dot", unquantised_weight=0.0)
    model.double().eval()

    def loss():
        positive, negative, _ = model.batch_scores(batch, negatives)
        negative = dense(negative)
        return negative.logsumexp(1).sum() - positive.sum()

    loss().backward()
    assert model.bias.grad is None
    random = np.random.default_rng(0)
    for name, one in model.named_parameters():
        if name == "bias":
            continue
        flat, gradient = one.data.view(-1), one.grad.view(-1)
        for place in random.choice(len(flat), min(3, len(flat)), replace=False).tolist():
            before, around = float(flat[place]), []
            for step in (1e-6, -1e-6):
                flat[place] = before + step
                around.append(float(loss().detach()))
            flat[place] = before
            slope = (around[0] - around[1]) / 2e-6
            assert slope == pytest.approx(float(gradient[place]), rel=1e-4, abs=1e-6), name


def test_scores_of_a_query_are_those_of_the_marked_lists():
    """A mask of each code's P best items, as stored in the finish, takes nothing away."""
    model, batch, _ = model_and_batch()
    plain = Batch(batch.targets, batch.history, batch.fields)
    with torch.no_grad():
        scores = model.eval().all_scores(plain)
        length = list_length(PARAMS.density, tiny_log().n_items)
        model.settings = dataclasses.replace(model.settings, top_per_code=length)
        model._store_lists([model.tokens(plain)])
        torch.testing.assert_close(model.all_scores(plain), scores, rtol=0, atol=0)


def test_too_few_uniform_negatives_for_the_density_are_refused():
    """The bar would lie above the first."""
    with pytest.raises(ValueError, match=r"density = 0\.01 among the 32 uniform ones"):
        dataclasses.replace(PARAMS, density=0.01, n_negatives=64)

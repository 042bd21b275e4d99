"""Inner products as scores: own negatives, and the softmax that does not keep its scores."""

import dataclasses

import numpy as np
import pytest
import torch

import methods.products
from harness.testing import tiny_held_out, tiny_log
from methods.losses import below_one, cosine_contrastive, sampled_softmax
from methods.matrix_factorisation.model import CosineFactors, _squared_length
from methods.matrix_factorisation.retriever import LightGCN, LightGCNParams, SimpleX, SimpleXParams
from methods.products import hinge_of_products, products, softmax_of_products
from methods.training import training
from methods.two_tower.retriever import TwoTower, TwoTowerParams


def inputs(n=7, m=11, d=3):
    """Return positive, queries, items, log_expected in float64, and pairs that do not count."""
    torch.manual_seed(1)
    positive, queries, items = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((n,), (n, d), (m, d))
    )
    excluded = torch.rand(n, m) < 0.3
    excluded[3] = True
    rows, columns = torch.nonzero(excluded, as_tuple=True)
    return (positive, queries, items), torch.randn(m, dtype=torch.float64), excluded, rows, columns


@pytest.mark.parametrize("block_scores", [1, 22, 30, 1 << 20])
@pytest.mark.parametrize("corrected", [False, True])
def test_the_softmax_in_blocks_is_the_plain_one(block_scores, corrected):
    """Value and gradients, for blocks of one row, of two, of all; scaled by what comes behind."""
    leaves, log_expected, excluded, rows, columns = inputs()
    if not corrected:
        log_expected = torch.zeros_like(log_expected)
    positive, queries, items = leaves
    plain = sampled_softmax(positive, queries @ items.T, log_expected, excluded)
    blocks = softmax_of_products(*leaves, log_expected, (rows, columns), block_scores)
    torch.testing.assert_close(blocks, plain, rtol=1e-12, atol=0)
    ones, others = (torch.autograd.grad(3 * one, leaves) for one in (plain, blocks))
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("block_scores", [1, 22, 30, 1 << 20])
@pytest.mark.parametrize("margin", [-0.5, 0.9])
@pytest.mark.parametrize("in_tiles", [True, False])
def test_the_hinge_in_blocks_is_that_of_the_contrastive_loss(
    block_scores, margin, in_tiles, monkeypatch
):
    """Value and gradients; one row excludes every item, and every pair is named twice.

    In tiles, as on the CPU, and in blocks of rows, as on a GPU and under autocast.
    """
    if not in_tiles:
        monkeypatch.setattr(methods.products, "_has_plain_products", lambda *_: False)
    (positive, queries, items), _, excluded, rows, columns = inputs()
    rows, columns = rows.repeat_interleave(2), columns.repeat_interleave(2)
    plain = cosine_contrastive(positive, queries @ items.T, excluded, margin, 4.0)
    hinge = hinge_of_products(queries, items, margin, (rows, columns), block_scores)
    blocks = below_one(positive).mean() + 4.0 * hinge
    torch.testing.assert_close(blocks, plain, rtol=1e-12, atol=0)
    leaves = positive, queries, items
    ones, others = (torch.autograd.grad(3 * one, leaves) for one in (plain, blocks))
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_gradients_are_those_of_finite_differences():
    """By torch's gradcheck, in float64, of all three inputs."""
    leaves, log_expected, _, rows, columns = inputs()
    assert torch.autograd.gradcheck(
        lambda *given: softmax_of_products(*given, log_expected, (rows, columns), 22), leaves
    )


def test_large_scores_do_not_overflow():
    """Products of about 10,000, the target's below: the loss is their difference."""
    queries, items = torch.tensor([[100.0]]), torch.tensor([[100.0], [1.0]])
    none = torch.zeros(0, dtype=torch.int64)
    loss = softmax_of_products(torch.tensor([9990.0]), queries, items, torch.zeros(2), (none, none))
    assert loss.item() == 10.0


@pytest.mark.parametrize("few", [8, 7])
def test_own_products_are_those_of_all_pairs(few, monkeypatch):
    """Of many, an item drawn twice has one vector; values and gradients are the dense product's."""
    monkeypatch.setattr(methods.products, "FEW_ITEMS", few)
    torch.manual_seed(0)
    queries, table = torch.randn(4, 3), torch.randn(9, 3, requires_grad=True)
    items = torch.tensor([[0, 8], [8, 8], [2, 0], [5, 1]])
    asked = []

    def vectors_of(ids):
        asked.append(ids.tolist())
        return table[ids]

    own = products(queries, items, vectors_of)
    dense = (queries @ table.T).gather(1, items)
    assert asked == [items.flatten().tolist() if few == 8 else [0, 1, 2, 5, 8]]
    torch.testing.assert_close(own, dense)
    ones, others = (torch.autograd.grad(one.square().sum(), table)[0] for one in (own, dense))
    torch.testing.assert_close(ones, others)


SHARED = {"dim": 8, "epochs": 3, "batch_size": 64, "learning_rate": 0.02}
METHODS = {
    "two_tower": (TwoTower, TwoTowerParams(**SHARED, hidden=8, loss="full_softmax")),
    "cosine": (
        TwoTower,
        TwoTowerParams(
            **SHARED, hidden=8, similarity="cosine", loss_temperature=0.1, n_negatives=9,
            mask_seen=True,
        ),
    ),
    "light_gcn": (
        LightGCN,
        LightGCNParams(
            **SHARED, loss="sampled_softmax", own_negatives=False, negatives="in_batch"
        ),
    ),
    "simplex": (SimpleX, SimpleXParams(**SHARED, loss="full_softmax", loss_temperature=0.2)),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_training_in_blocks_is_the_plain_training(name, monkeypatch):
    """Losses and validation of three epochs agree to rounding; the blocks were really taken."""
    cls, params = METHODS[name]
    log, histories, fused = tiny_log(), [], []

    def counted(*given):
        fused.append(len(given[0]))
        return softmax_of_products(*given, 200)

    monkeypatch.setattr(training, "softmax_of_products", counted)
    for threshold in (1 << 22, 1):
        monkeypatch.setattr(training, "FUSED_FROM", threshold)
        method = cls(params, seed=2)
        method.fit(log, tiny_held_out(log))
        histories.append(method._trainings["fit"].history)
        assert (sum(fused) == 3 * log.n_events) == (threshold == 1)
    for one, other in zip(*histories, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["validation"] == pytest.approx(other["validation"], rel=0.02)


def test_blocks_of_bfloat16_learn_the_same_to_its_precision(monkeypatch):
    """Under autocast the products are bfloat16's, the loss is float32's, and so are gradients."""
    cls, params = METHODS["two_tower"]
    losses = []
    for precision, threshold in (("float32", 1 << 22), ("bfloat16", 1)):
        monkeypatch.setattr(training, "FUSED_FROM", threshold)
        method = cls(dataclasses.replace(params, precision=precision), seed=2)
        method.fit(tiny_log())
        losses.append([one["loss"] for one in method._trainings["fit"].history])
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)


def test_the_contrastive_loss_of_a_training_is_its_formula(monkeypatch):
    """A model that gives no vectors takes the plain way: the losses of three epochs agree.

    Under dropout, and with biases, targets score above 1.
    """
    losses, forms = [], {"dropout": 0.5, "bias": True}
    for plain in (False, True):
        if plain:
            monkeypatch.setattr(CosineFactors, "batch_vectors", lambda *given: None)
        method = SimpleX(
            SimpleXParams(**SHARED, **forms, n_negatives=9, ccl_margin=0.1, init_std=0.1), seed=2
        )
        method.fit(tiny_log())
        losses.append([one["loss"] for one in method._trainings["fit"].history])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_catalogue_of_negatives_is_that_of_its_items(monkeypatch):
    """SimpleX against all items, by its table and by looking each up: weights and losses agree."""
    histories, weights = [], []
    for looked_up in (False, True):
        if looked_up:
            monkeypatch.setattr(
                CosineFactors,
                "catalogue_vectors",
                lambda self: self.item_vectors(torch.arange(self.items.num_embeddings)),
            )
        method = SimpleX(
            SimpleXParams(**SHARED, n_negatives=1 << 20, ccl_margin=0.1, init_std=0.1, l2=0.01),
            seed=2,
        )
        method.fit(tiny_log())
        histories.append([one["loss"] for one in method._trainings["fit"].history])
        weights.append(method._model.items.weight.detach().clone())
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)


def test_the_penalty_of_all_vectors_has_the_gradient_of_its_square():
    """By torch's gradcheck, in float64."""
    table = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert _squared_length(table).item() == pytest.approx(table.square().sum().item())
    assert torch.autograd.gradcheck(_squared_length, table)

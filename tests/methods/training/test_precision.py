"""bfloat16: what is in it is the scores of a step, and nothing that is kept or served."""

import dataclasses

import pytest
import torch

from harness.testing import tiny_held_out, tiny_log
from methods.interactions.split_mlp import split_mlp
from methods.sparcode.retriever import SparCode, SparCodeParams
from methods.two_tower.retriever import TwoTower, TwoTowerParams

SHARED = {"dim": 16, "hidden": 16, "epochs": 6, "batch_size": 64, "learning_rate": 0.02}
METHODS = {
    "two_tower": (TwoTower, TwoTowerParams(**SHARED)),
    "gru4rec": (TwoTower, TwoTowerParams(**{**SHARED, "batch_size": 16}, encoder="gru4rec")),
    "sasrec": (TwoTower, TwoTowerParams(**{**SHARED, "batch_size": 16}, encoder="sasrec")),
    # Codes flip by rounding: at a high rate two trainings part by more than bfloat16's error.
    "sparcode": (
        SparCode,
        SparCodeParams(**{**SHARED, "learning_rate": 0.005}, n_codewords=8, warm_up=2, anneal=1),
    ),
}


def fitted(name, precision):
    cls, params = METHODS[name]
    method = cls(dataclasses.replace(params, precision=precision), seed=1)
    log = tiny_log(ordered=name in ("gru4rec", "sasrec"))
    method.fit(log, tiny_held_out(log))
    return method


@pytest.mark.parametrize("name", METHODS)
def test_bfloat16_learns_the_same_to_its_precision(name):
    """First and last loss differ from float32's by less than bfloat16's error, but they differ.

    Weights, buffers and validation scores are float32's; the same seed gives the same weights.
    """
    exact, reduced, again = (fitted(name, one) for one in ("float32", "bfloat16", "bfloat16"))
    (first, *_, last), (other, *_, others) = (
        one._trainings["fit"].history for one in (exact, reduced)
    )
    assert other["loss"] != first["loss"]
    assert other["loss"] == pytest.approx(first["loss"], rel=0.01)
    assert others["loss"] == pytest.approx(last["loss"], rel=0.05)
    state, twin = reduced._model.state_dict(), again._model.state_dict()
    assert {one.dtype for one in reduced._model.parameters()} == {torch.float32}
    assert all(torch.equal(state[key], twin[key]) for key in state)


def test_the_kernel_takes_what_autocast_made():
    """bfloat16 inputs are scored as their float32 values; gradients come back in bfloat16."""
    torch.manual_seed(0)
    a, b, w = (torch.randn(shape) for shape in ((3, 8), (4, 8), (8,)))
    rough = [one.bfloat16().requires_grad_() for one in (a, b)]
    scores = split_mlp(*rough, w)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, split_mlp(*(one.float() for one in rough), w))
    scores.sum().backward()
    assert {one.grad.dtype for one in rough} == {torch.bfloat16}

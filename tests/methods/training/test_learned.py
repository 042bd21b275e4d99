"""LearnedRetriever: a trained model is handed on to other indexes."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.params import parse_params
from harness.registry import load_method
from harness.run.offline import offline_warnings
from harness.testing import N_ITEMS, tiny_held_out, tiny_log
from methods.two_tower.towers import TwoTowerModel

SMALL = {"dim": 8, "hidden": 16, "epochs": 2, "batch_size": 64}
OF_METHOD = {
    "maxsim": {"token_dim": 8, "query_tokens": 3},
    "poly_encoder": {"n_codes": 3},
    "mixture_of_logits": {"component_dim": 8, "query_components": 2, "item_components": 2},
    "multi_interest": {"n_interests": 2},
    "two_tower": {},
}
IVF = {"index": "ivf", "nlist": 4, "train_per_list": 6, "cell_space": "inner_product"}
HNSW = {"index": "hnsw", "m": 4, "ef_construction": 20, "graph_space": "inner_product"}
OTHERS = [
    ("maxsim", {"index": "cells", "nlist": 4, "train_per_list": 20}),
    *((name, one) for name in ("poly_encoder", "multi_interest") for one in (IVF, HNSW)),
    *(("mixture_of_logits", {"algorithm": "candidates", **one}) for one in (IVF, HNSW)),
    ("mixture_of_logits", {"algorithm": "two_pass"}),
    ("two_tower", IVF),
]


def made(name, **given):
    """Return a method of few parameters, not yet fitted."""
    cls = load_method(name)
    return cls(parse_params(cls.BuildParams, {**SMALL, **OF_METHOD[name], **given}), seed=3)


def test_a_fit_that_diverged_is_whole_and_says_so(tmp_path, monkeypatch):
    """Its fourth epoch overflows: the best before it is kept, saved, taken over, and warned of."""
    begin = TwoTowerModel.begin_epoch

    def overflow(self, epoch, recent):
        begin(self, epoch, recent)
        if epoch == 3:
            with torch.no_grad():
                self.items.ids.weight.fill_(3e38)

    monkeypatch.setattr(TwoTowerModel, "begin_epoch", overflow)
    method, other = made("two_tower", epochs=9), made("two_tower", epochs=9)
    method.fit(tiny_log(), tiny_held_out(tiny_log()))
    method.save_fit(tmp_path)
    other.load_fit(tmp_path, tiny_log())
    for one in (method, other):
        one.build()
        assert one.footprint().details["epochs"] <= 3
        assert len(one.footprint().history["fit"]) == 4
        warning = "fit ended with epoch 4, whose loss is nan: weights of an earlier one are kept"
        assert offline_warnings(one) == (warning,)
        assert np.isfinite(one.score(tiny_held_out(tiny_log()).queries, np.arange(N_ITEMS))).all()


@pytest.mark.parametrize(("name", "given"), OTHERS, ids=lambda one: str(one)[:40])
def test_a_fit_serves_any_index(name, given, tmp_path):
    """Taken over under another index: scores and answers of a training of its own, to the bit."""
    first, own, other = made(name), made(name, **given), made(name, **given)
    assert given.keys() <= first.index_params
    for one in (first, own):
        one.fit(tiny_log(), tiny_held_out(tiny_log()))
    first.save_fit(tmp_path)
    other.load_fit(tmp_path, tiny_log())
    for one in (own, other):
        one.build()
    queries, items = tiny_held_out(tiny_log()).queries, np.arange(N_ITEMS)
    np.testing.assert_array_equal(other.score(queries, items), own.score(queries, items))
    found, wanted = (one.search(queries, 5) for one in (other, own))
    np.testing.assert_array_equal(found.ids, wanted.ids)
    np.testing.assert_array_equal(found.scores, wanted.scores)
    assert other.footprint() == own.footprint()


@pytest.mark.parametrize("name", sorted(OF_METHOD))
def test_parameters_of_the_index_are_all_declared(name):
    """Those of `methods.ann` are; what is left shapes the model or its training."""
    cls = load_method(name)
    names = {one.name for one in dataclasses.fields(cls.BuildParams)}
    assert names & {"index", "algorithm", *IVF, *HNSW} == names & cls.index_params & {
        "index", "algorithm", *IVF, *HNSW,
    }  # fmt: skip


def test_a_fit_of_another_method_is_refused(tmp_path):
    """The file says whose it is."""
    first = made("two_tower")
    first.fit(tiny_log())
    first.save_fit(tmp_path)
    with pytest.raises(MethodError, match="two_tower_fit"):
        made("maxsim").load_fit(tmp_path, tiny_log())

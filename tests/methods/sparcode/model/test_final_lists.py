"""The finish: what training does not see in its lists, serving does not have, and the reverse."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from methods.batches import Batch
from methods.sparcode.model import final_lists
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams
from methods.training.checkpoint import Checkpointing
from methods.training.loop import train_model

PARAMS = SparCodeParams(
    dim=4,
    hidden=8,
    n_heads=2,
    n_codewords=6,
    n_nearest=2,
    density=0.5,
    warm_up=1,
    anneal=1,
    finish=2,
    top_per_code=5,
    epochs=5,
    batch_size=256,
    learning_rate=0.02,
)
RULES = [
    {},
    {"top_per_code": 12, "max_per_item": 3, "budget": 60},
    {"top_per_code": 0, "budget": 40, "bias": "quantile"},
]


def ignore(*news):
    """Ignore all news."""


@cache
def built(place):
    """Return a retriever after training with rules, and building."""
    rules = RULES[place]
    method = SparCode(dataclasses.replace(PARAMS, **rules), seed=3)
    method.fit(tiny_log(), tiny_held_out(tiny_log()))
    method.build()
    return method


def postings_of(method):
    """Return the pairs (code, item) that the index holds, by searches of single codes."""
    held = set()
    for number, code in enumerate(method._used.codes.tolist()):
        lists = np.array([[number]])
        weights = np.ones((1, 1), np.float32)
        ids = method._lists.merger.merge(lists, weights, Lists.empty(1), 30)[0]
        held |= {(code, item) for item in ids[0].tolist() if item >= 0}
    return held


@pytest.mark.parametrize("place", range(3))
def test_training_saw_what_serving_does(place):
    """Every posting of the index was marked, all rules hold, and scores are the forward pass's.

    Queries are those of users and, with other histories, new ones.
    """
    method = built(place)
    stored = method._model.stored
    held = postings_of(method)
    pairs = torch.tensor(sorted(held))
    assert len(pairs) > 0
    assert bool(stored.of_pairs(pairs[:, 0], pairs[:, 1]).all())
    rules = method.build_params.cut
    assert np.bincount(pairs[:, 0]).max() <= (rules.top_per_code or 30)
    assert np.bincount(pairs[:, 1]).max() <= (rules.max_per_item or 10**6)
    assert len(held) <= (rules.budget or 10**6)
    known = tiny_held_out(tiny_log()).queries
    random = np.random.default_rng(0)
    others = Lists.of([random.integers(30, size=4).tolist() for _ in range(len(known))])
    for history in (known.history, others):
        queries = dataclasses.replace(known, history=history, hidden=Lists.empty(len(known)))
        with torch.no_grad():
            batch = Batch(np.zeros(0, np.int64), history, known.fields)
            forward = method._model.all_scores(batch).numpy()
        found = method.search(queries, 30)
        served = np.zeros_like(forward)
        rows, places = np.nonzero(found.ids >= 0)
        served[rows, found.ids[rows, places]] = found.scores[rows, places]
        np.testing.assert_allclose(served, forward, rtol=1e-3, atol=8 * method._lists.packed.scale)
        exhaustive = method.score(queries, np.arange(30))  # by which the index is judged
        assert ((forward == 0) == (exhaustive == -np.inf)).all()
        np.testing.assert_allclose(np.maximum(exhaustive, 0), forward, rtol=1e-4, atol=1e-5)


def test_marks_are_saved_with_the_index(tmp_path):
    """The exhaustive score of what is loaded is the same to the bit."""
    method, queries = built(0), tiny_held_out(tiny_log()).queries
    method.save(tmp_path)
    loaded = SparCode(method.build_params)
    loaded.load(tmp_path)
    ones, others = (one.score(queries, np.arange(30)) for one in (method, loaded))
    assert (ones == others).all()


def test_marks_are_the_lists_that_would_be_built_now():
    """With the weights that an epoch begins with, index and marks hold the same postings."""
    method = SparCode(dataclasses.replace(PARAMS, **RULES[1]), seed=3)
    method.fit(tiny_log(), tiny_held_out(tiny_log()))
    queries = tiny_held_out(tiny_log()).queries
    model = method._model
    with torch.no_grad():
        batch = Batch(np.zeros(0, np.int64), queries.history, queries.fields)
        model._store_lists([model.tokens(batch)])
    method.build()
    marked = {
        (code, item)
        for code in model.stored.codes.tolist()
        for item in torch.nonzero(model.stored.of_codes(torch.tensor([code]))[0])[:, 0].tolist()
    }
    stored, model.stored = model.stored, final_lists.FinalLists()
    method.build()  # without marks: by the rules alone
    assert postings_of(method) == marked
    assert stored.codes.tolist() == method._used.codes.tolist()


def test_marks_are_saved_with_the_weights():
    """A state dict of lists of one shape is loaded over none, and over those of another."""
    one = built(0)._model
    other = SparCodeModel(tiny_log(), one.settings, "cpu")
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.stored.marks, one.stored.marks)
    assert torch.equal(other.stored.rows, one.stored.rows)
    other.load_state_dict(SparCodeModel(tiny_log(), one.settings, "cpu").state_dict())
    assert not other.stored


def test_a_training_goes_on_from_within_the_finish(tmp_path):
    """Stopped after each epoch and started again: the same weights and the same marks."""
    params = dataclasses.replace(PARAMS, **RULES[1])

    def model():
        torch.manual_seed(0)
        return SparCodeModel(tiny_log(), params.model, "cpu")

    def stop_at(last):
        def stop(what, done, total, note=""):
            if what == "train" and done == last and "loss" in note:  # before it is written
                raise KeyboardInterrupt

        return stop

    whole, parts, held_out = model(), model(), tiny_held_out(tiny_log())
    checkpoints = Checkpointing(tmp_path)
    train_model(whole, tiny_log(), held_out, params, 3, ignore)
    for last in (4, 5):  # the first and the second epoch of the finish
        with pytest.raises(KeyboardInterrupt):
            train_model(model(), tiny_log(), held_out, params, 3, stop_at(last), None, checkpoints)
    train_model(parts, tiny_log(), held_out, params, 3, ignore, None, checkpoints)
    assert parts.stored
    expected, found = whole.state_dict(), parts.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_marks_beyond_the_limit_are_refused(monkeypatch):
    """With how large they would be and what to lower."""
    monkeypatch.setattr(final_lists, "MOST_BYTES", 100)
    with pytest.raises(MethodError, match=r"codes in use x 30 items .* lower n_codewords"):
        built.__wrapped__(0)

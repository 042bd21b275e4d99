"""The compiled encoder's tokens, codes and weights against torch's modules in float64."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from harness.fields import Categorical, Dense, Fields, MultiValued
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from methods.encoders.serving import WHOLE
from methods.sparcode.model.encoder import Encoder
from methods.sparcode.params import SparCodeParams
from methods.sparcode.retriever import SparCode
from methods.sparcode.serving.compiled_encoder import CompiledEncoder

N_ITEMS, N = 40, 23
BASE = SparCodeParams(dim=12, hidden=10, n_heads=3, n_codewords=9, n_nearest=4)
HARD = {"n_nearest": 1, "gradient": "straight_through", "codebooks": "averages"}
FORMS = [
    {},
    HARD,
    {"tokenizer": "attention"},
    {"tokenizer": "residual"},
    {"tokenizer": "residual", "n_parts": 2},
    {"shared_codebooks": True},
    {"n_parts": 3, "n_nearest": 6},
    {"n_parts": 2, "n_codewords": 3, "n_nearest": 9},  # more codes wanted than a part has words
    {"n_codewords": 1, **HARD},
    {"n_codewords": 130},
    {"field_tokens": "none"},
    {"field_tokens": "pairs"},
    {"field_tokens": "beside", "tokenizer": "attention"},
]


def some_fields(n, random):
    columns = {
        "group": Categorical(random.integers(3, size=n), 3),
        "tags": MultiValued(
            Lists.of([random.integers(5, size=one % 3).tolist() for one in range(n)]), 5
        ),
        "place": Categorical(random.integers(4, size=n), 4),
        "vector": Dense(random.normal(size=(n, 7)).astype(np.float32)),
    }
    return Fields(n, columns)


def encoders(changes, with_fields=True, seed=0):
    """Return a random encoder, the same compiled, and the table of items."""
    torch.manual_seed(seed)
    params = dataclasses.replace(BASE, **changes)
    schema = some_fields(1, np.random.default_rng(0)) if with_fields else None
    encoder = Encoder(schema, params.model, "cpu").eval()
    with torch.no_grad():
        encoder.quantizer.codebooks.data.normal_(std=0.7)
        encoder.quantizer.log_temperature.normal_()
        for name, one in encoder.tokenizer.named_parameters():
            if name in ("projections", "queries"):
                one.normal_(std=0.5)
    table = torch.randn(N_ITEMS, params.dim)
    return encoder, CompiledEncoder(encoder, schema, table), table


def some_queries(random, with_fields=True):
    """Return histories of 0, 1, 2 ... items, and fields."""
    history = Lists.of([random.integers(N_ITEMS, size=one).tolist() for one in range(N)])
    return history, some_fields(N, random) if with_fields else None


@pytest.mark.parametrize("with_fields", [True, False])
@pytest.mark.parametrize("changes", FORMS, ids=str)
def test_codes_are_those_of_the_modules(changes, with_fields):
    """Tokens and weights within 1e-4, codes equal: no two of these lie at nearly equal distances.

    Each code's vector is at its distance, so codes in another order would show in the weights.
    """
    random = np.random.default_rng(1)
    encoder, compiled, table = encoders(changes, with_fields)
    history, fields = some_queries(random, with_fields)
    found = compiled.encode(history, fields, WHOLE)
    double = copy.deepcopy(encoder).double()
    with torch.inference_mode():
        tokens = double.tokens(double.query.inputs(history, fields), table.double())
        codes, weights = double.numbered(double.assign(tokens), tokens.given)
    np.testing.assert_allclose(found.quantisable, tokens.quantisable.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.given, tokens.given.numpy())
    np.testing.assert_array_equal(found.codes, codes.numpy())
    np.testing.assert_allclose(found.weights, weights.numpy(), rtol=1e-3, atol=1e-5)


def test_more_codes_wanted_than_there_are():
    """Nine of two words: both, nearest first."""
    random = np.random.default_rng(2)
    encoder, _, table = encoders({"n_codewords": 4}, with_fields=False)
    encoder.quantizer.settings = dataclasses.replace(encoder.quantizer.settings, n_nearest=9)
    compiled = CompiledEncoder(encoder, None, table)
    history, _ = some_queries(random, with_fields=False)
    found = compiled.encode(history, None, WHOLE)
    assert found.codes.shape == (N, 3 * 4)
    own = found.codes.reshape(N, 3, 4) - 4 * np.arange(3)[:, None]
    np.testing.assert_array_equal(np.sort(own, axis=2), np.broadcast_to(np.arange(4), own.shape))
    np.testing.assert_allclose(found.weights.reshape(N, 3, 4).sum(2), 1, rtol=1e-6)


def test_equal_codewords_are_taken_in_their_order():
    """Five words of which three are one: the smaller number is the nearer."""
    encoder, _, table = encoders({"n_codewords": 5, "n_nearest": 3}, with_fields=False)
    encoder.quantizer.codebooks.data[:, :, [1, 3, 4]] = 0.0
    encoder.quantizer.codebooks.data[:, :, [0, 2]] = 9.0
    compiled = CompiledEncoder(encoder, None, table * 0.01)
    found = compiled.encode(Lists.of([[1], [2, 3]]), None, WHOLE)
    expected = np.tile([1, 3, 4], 3) + np.repeat([0, 5, 10], 3)
    np.testing.assert_array_equal(found.codes, np.stack([expected, expected]))


@pytest.mark.parametrize("changes", FORMS, ids=str)
def test_a_query_has_the_same_bits_in_any_company(changes):
    """Tokens, codes and weights of a query alone are those it has in a batch."""
    random = np.random.default_rng(3)
    _, compiled, _ = encoders(changes)
    history, fields = some_queries(random)
    together = compiled.encode(history, fields, WHOLE)
    for size in (1, 2, 5):
        for first in range(0, N, size):
            rows = np.arange(first, min(first + size, N))
            some = compiled.encode(history.take(rows), fields.take(rows), WHOLE)
            for one, all_ in zip(some, together, strict=True):
                np.testing.assert_array_equal(one, all_[rows])


@pytest.fixture(scope="module")
def trained():
    params = SparCodeParams(
        dim=8, hidden=16, n_codewords=8, density=0.5, warm_up=2, anneal=2, epochs=8,
        batch_size=64, learning_rate=0.02,
    )  # fmt: skip
    method = SparCode(params, seed=3)
    method.fit(tiny_log(), tiny_held_out(tiny_log()))
    method.build()
    return method


def test_a_query_alone_is_answered_as_in_a_batch(trained):
    """The whole list, bit for bit; and the score that it stands for."""
    queries = tiny_held_out(tiny_log()).queries
    together, items = trained.search(queries, 10), np.arange(30)
    scores = trained.score(queries, items)
    for row in range(len(queries)):
        own = queries.take(np.array([row]))
        alone = trained.search(own, 10)
        np.testing.assert_array_equal(alone.ids[0], together.ids[row])
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])
        np.testing.assert_allclose(trained.score(own, items)[0], scores[row], rtol=1e-5)


def test_a_saved_model_encodes_with_the_same_bits(trained, tmp_path):
    """Codes, weights and tokens after loading; and on torch's path, but for rounding."""
    trained.save(tmp_path)
    queries = tiny_held_out(tiny_log()).queries
    asked = (queries.history, queries.fields, WHOLE)
    here = trained._served.encode(*asked)
    loaded = SparCode(trained.build_params)
    loaded.load(tmp_path)
    for first, second in zip(here, loaded._served.encode(*asked), strict=True):
        np.testing.assert_array_equal(first, second)
    apart = SparCode(trained.build_params, device="cpu:0")  # to the method a device: torch encodes
    apart.load(tmp_path)
    there = apart._served.encode(*asked)
    np.testing.assert_array_equal(there.codes, here.codes)
    np.testing.assert_allclose(there.weights, here.weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(there.quantisable.numpy(), here.quantisable, rtol=1e-4, atol=1e-5)

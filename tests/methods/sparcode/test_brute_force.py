"""The served list is the brute-force sum of w * ReLU(s + b), whatever the form of the model."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fields import Categorical, Dense, Fields
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.topk import PAD_ID
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams

HARD = {"n_nearest": 1, "gradient": "straight_through", "codebooks": "averages"}
PARAMS = SparCodeParams(dim=4, hidden=6, n_heads=2, n_codewords=4, n_nearest=2)
FORMS = [
    {**HARD, "n_parts": 2, "shared_codebooks": True, "n_codewords": 3},
    {**HARD, "n_codewords": 1},
    {"shared_codebooks": True, "n_codewords": 2, "n_heads": 3},  # codes twice in every query
    {"n_parts": 2, "n_codewords": 2, "n_nearest": 3},
    {"tokenizer": "residual"},
    {"tokenizer": "attention"},
    {"field_tokens": "pairs"},
    {"interaction": "dot", "bias": "quantile", "density": 0.3},
    {"interaction": "deep_mlp"},
    {"interaction": "cross", "tokenizer": "residual"},
    {"interaction": "self_attention", "field_tokens": "beside"},
    {"interaction": "mixture_of_logits"},
]


def some_log(random, n_items, with_fields):
    histories = [random.integers(n_items, size=3).tolist() for _ in range(5)]
    fields = None
    if with_fields:
        columns = {
            "group": Categorical(random.integers(3, size=5), 3),
            "place": Categorical(random.integers(2, size=5), 2),
            "vector": Dense(random.normal(size=(5, 3)).astype(np.float32)),
        }
        fields = Fields(5, columns)
    return Interactions(Lists.of(histories), n_items, user_fields=fields)


def random_method(train, params, seed, change=lambda model: None):
    """Return a built retriever with random weights; ``change`` is called before it builds."""
    method = SparCode(params, seed=seed)
    torch.manual_seed(seed)
    method._log, method._epochs, method._trainings = train, 0, {}
    method._model = SparCodeModel(train, params.model, "cpu").eval()
    method._model.quantised.fill_(True)
    method._model.slope.fill_(0.0)
    with torch.no_grad():
        for name, one in method._model.named_parameters():
            one.normal_(std=0.5)
            if name == "encoder.quantizer.log_temperature":
                one.zero_()
        method._model.encoder.quantizer.codebooks.normal_(std=0.5)
        change(method._model)
    method.build()
    return method


def nearest(token, books, count):
    """Return (code, vector, squared distance) of the nearest of all N^M codes, one by one."""
    n_parts, n_words, _ = books.shape
    found = []
    for code, digits in enumerate(itertools.product(range(n_words), repeat=n_parts)):
        vector = np.concatenate([books[part, digit] for part, digit in enumerate(digits)])
        found.append((code, vector, ((token - vector) ** 2).sum()))
    return sorted(found, key=lambda one: one[2])[:count]


def codes_by_hand(method, tokens):
    """Return (group, code, vector, weight) of every code of one query, tokens (K, D)."""
    quantizer, params = method._model.encoder.quantizer, method.build_params
    books = quantizer.codebooks.detach().double().numpy()
    found, left = [], tokens[0]
    for token in range(quantizer.n_tokens):
        book = 0 if params.shared_codebooks else token
        own = left if quantizer.is_residual else tokens[token]
        best = nearest(own, books[book], params.n_nearest)
        weights = np.exp([-gap for _, _, gap in best])  # temperature 1
        weights /= weights.sum()
        pairs = list(zip(best, weights, strict=True))
        found += [(book, code, vector, weight) for (code, vector, _), weight in pairs]
        left = left - sum(weight * vector for (_, vector, _), weight in pairs)
    return found


def brute_force(method, queries):
    """Return y(q, i), (n, n_items), of codes with a list; and whether a query has a code twice."""
    model = method._model
    encoder, n_items = model.encoder, method._served.n_items
    inputs = encoder.query.inputs(queries.history, queries.fields)
    tokens = encoder.tokens(inputs, model.items.history_table())
    items, listed = model.item_sides(), set(method._used.codes.tolist())
    totals, twice, starts = np.zeros((len(queries), n_items)), False, encoder.starts.tolist()
    for row in range(len(queries)):
        found = codes_by_hand(method, tokens.quantisable[row].detach().double().numpy())
        for at, code in enumerate(tokens.given[row].tolist()):
            vector = encoder.fields.vectors(at, torch.tensor([code]))[0].detach().numpy()
            found.append((encoder.quantizer.n_books + at, code, vector, 1.0))
        numbers = [starts[group] + code for group, code, *_ in found]
        twice = twice or len(set(numbers)) < len(numbers)
        for number, (group, _, vector, weight) in zip(numbers, found, strict=True):
            if number not in listed:
                continue
            vectors = torch.from_numpy(vector).float()[None]
            scores = model.interaction.pairs(model.interaction.of_tokens(vectors), items)[0]
            bias = float(model.bias.detach()[group])
            if method.build_params.bias == "quantile":
                kept = min(n_items, max(1, round(method.build_params.density * n_items)))
                best = np.sort(scores.detach().numpy())[::-1]
                bias = -(best[kept - 1] + best[min(kept, n_items - 1)]) / 2
            totals[row] += weight * np.maximum(scores.detach().numpy() + bias, 0)
    return totals, twice


def assert_served_is_brute_force(method, queries):
    expected, twice = brute_force(method, queries)
    found = method.search(queries, expected.shape[1])  # k is larger than any list of candidates
    length = len(method._used.starts) * method.build_params.n_nearest
    bound = (length + 1) * method._lists.packed.scale + 1e-5
    served = np.zeros_like(expected)
    rows, places = np.nonzero(found.ids != PAD_ID)
    served[rows, found.ids[rows, places]] = found.scores[rows, places]
    for row in range(len(queries)):
        expected[row, queries.hidden.row(row)] = 0
    np.testing.assert_allclose(served, expected, rtol=1e-4, atol=bound)
    assert (np.diff(np.where(found.ids == PAD_ID, -1e9, found.scores), axis=1) <= 0).all()
    return twice


@pytest.mark.parametrize("changes", FORMS, ids=str)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1000), n_items=st.sampled_from([1, 2, 13]), with_fields=st.booleans())
def test_the_served_list_is_the_brute_force_sum(changes, seed, n_items, with_fields):
    """For known users and for new histories, some of whose codes have no list."""
    random = np.random.default_rng(seed)
    train = some_log(random, n_items, with_fields)
    method = random_method(train, dataclasses.replace(PARAMS, **changes), seed)
    hidden = Lists.of([[], [0], [], [], []])
    known = Queries(np.arange(5), train.events, hidden, train.user_fields)
    new = Lists.of([random.integers(n_items, size=4).tolist() for _ in range(4)] + [[]])
    twice = assert_served_is_brute_force(method, known)
    assert_served_is_brute_force(method, dataclasses.replace(known, history=new))
    if changes.get("n_heads") == 3:
        assert twice


@pytest.mark.parametrize("interaction", ["mlp", "dot"])
def test_codewords_that_repeat_others_are_as_if_they_were_not_there(interaction):
    """Two words, each twice, and J = 4: lists, scale and answers of the two words with J = 2.

    The repeated ones lie out of reach with weight 0, but among the four nearest all the same.
    """
    random = np.random.default_rng(3)
    train = some_log(random, 13, with_fields=True)
    params = dataclasses.replace(PARAMS, interaction=interaction, n_nearest=4)
    twice = random_method(
        train, params, 3, lambda one: one.encoder.quantizer.codebooks[:, :, 2:].copy_(
            one.encoder.quantizer.codebooks[:, :, :2].clone()
        )
    )  # fmt: skip
    books = twice._model.encoder.quantizer.codebooks[:, :, :2].detach().clone()
    state = twice._model.state_dict()

    def same(model):
        own = {
            name: one for name, one in state.items() if one.shape == model.state_dict()[name].shape
        }
        model.load_state_dict({**model.state_dict(), **own})
        model.encoder.quantizer.codebooks.copy_(books)

    few = dataclasses.replace(params, n_codewords=2, n_nearest=2)
    once = random_method(train, few, 3, same)
    queries = Queries(np.arange(5), train.events, Lists.empty(5), train.user_fields)
    expected, found = once.search(queries, 13), twice.search(queries, 13)
    bound = 20 * once._lists.packed.scale
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=bound)
    assert twice._lists.packed.scale < 2 * once._lists.packed.scale
    assert twice._lists.facts()["lists"] == once._lists.facts()["lists"]
    assert twice.counters()["codes_without_list"] == once.counters()["codes_without_list"] == 0


def test_codes_that_training_never_used_add_nothing():
    """Two users alike use few of 40 codes; of ten new histories some fall on others."""
    random = np.random.default_rng(0)
    train = Interactions(Lists.of([[0, 1, 2]] * 2), 13)
    method = random_method(train, dataclasses.replace(PARAMS, n_codewords=40), 0)
    history = Lists.of([random.integers(13, size=2).tolist() for _ in range(10)])
    queries = Queries(np.full(10, -1), history, Lists.empty(10))
    assert_served_is_brute_force(method, queries)
    assert method.counters()["codes_without_list"] > 0

"""Every interaction equals its formula, worked one pair at a time on the concatenation."""

import copy

import pytest
import torch
from torch.nn import functional

from methods.interactions import blocks
from methods.interactions.choice import INTERACTIONS, make_interaction
from methods.interactions.deep_mlp import DeepMLP
from methods.interactions.interaction import take
from methods.interactions.mixture_of_logits import MixtureOfLogits
from methods.interactions.self_attention import SelfAttention

DIM, HIDDEN = 4, 16
NAMES = list(INTERACTIONS)
WIDTHS = (DIM, 3 * DIM)  # items with an id alone, and with two fields


def norm(layer, x):
    centred = x - x.mean()
    return centred / (centred.square().mean() + layer.eps).sqrt() * layer.weight + layer.bias


def dot(one, token, item):
    return (one.token.weight @ token) @ one.item(item[None])[0]


def first_layer(one, token, item):
    """Return W [token; item] + v, after a layer norm of each side."""
    both = torch.cat((norm(one.token[0], token), norm(one.item[0], item)))
    return torch.cat((one.token[1].weight, one.item[1].weight), 1) @ both + one.token[1].bias


def mlp(one, token, item):
    return one.weights @ first_layer(one, token, item).relu() + dot(one.dot, token, item)


def deep_mlp(one, token, item):
    hidden = first_layer(one, token, item).relu()
    for layer in one.layers:
        hidden = (layer.weight @ hidden + layer.bias).relu()
    return one.weights @ hidden + dot(one.dot, token, item)


def cross(one, token, item):
    x_0 = torch.cat((norm(one.token_norm, token), norm(one.item_norm, item)))
    x_1 = x_0 * (one.u_1 @ (one.v_1 @ x_0) + one.b_1) + x_0
    inner = torch.tanh(one.core @ torch.tanh(one.v_2 @ x_1))
    x_2 = x_0 * (one.u_2 @ inner + one.b_2) + x_1
    return one.weights @ x_2 + dot(one.dot, token, item)


def self_attention(one, token, item):
    parts = [norm(one.part_norm, part) for part in item.split(len(token))]
    x = torch.stack([norm(one.token_norm, token), *parts]) + one.places  # (1 + F, D)
    total = (one.residual * x).sum() + dot(one.dot, token, item)
    width = one.readout.shape[2]
    for head in range(one.heads):
        rows = slice(head * width, (head + 1) * width)
        q, k, v = (x @ layer.weight[rows].T for layer in (one.query, one.key, one.value))
        outputs = torch.softmax(q @ k.T / width**0.5, dim=1) @ v
        total = total + (one.readout[:, head] * outputs).sum()
    return total


def mixture_of_logits(one, token, item):
    f = (one.token.weight @ token).view(-1, HIDDEN)
    g = (one.item.weight @ item).view(-1, HIDDEN)
    cosines = torch.stack([a @ b / a.norm() / b.norm() for a in f for b in g])
    of_logits = one.gate_out(functional.silu(one.gate_in(cosines)))
    gate = torch.softmax(one.token_gate(token) * one.item_gate(item) + of_logits, 0)
    mixture = gate @ cosines / 0.05
    return mixture if one.dot is None else one.scale * mixture + dot(one.dot, token, item)


NAIVE = {
    "dot": dot,
    "mlp": mlp,
    "deep_mlp": deep_mlp,
    "cross": cross,
    "self_attention": self_attention,
    "mixture_of_logits": mixture_of_logits,
}


def naive_scores(name, one, tokens, items):
    rows = [torch.stack([NAIVE[name](one, token, item) for item in items]) for token in tokens]
    return torch.stack(rows)


def random_one(name, width=DIM, dtype=torch.float32):
    """Return an interaction all of whose parameters are random: no term is small or absent."""
    torch.manual_seed(0)
    one = make_interaction(name, DIM, width, HIDDEN).to(dtype)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape))
    return one


def inputs(width, n=5, m=7, dtype=torch.float32):
    torch.manual_seed(1)
    return torch.randn(n, DIM, dtype=dtype), torch.randn(m, width, dtype=dtype)


def scores_of(one, tokens, items):
    return one.pairs(one.of_tokens(tokens), one.of_items(items))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of few pairs, ragged at both ends."""
    monkeypatch.setattr(blocks, "HOST_NUMBERS", 600)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_formula_pair_by_pair(name, width):
    """`pairs` and `own` are what the docstring's formula gives on each concatenated pair."""
    one, (tokens, items) = random_one(name, width), inputs(width)
    expected = naive_scores(name, one, tokens, items)
    torch.testing.assert_close(scores_of(one, tokens, items), expected, rtol=1e-4, atol=1e-4)
    own = one.own(one.of_tokens(tokens), one.of_items(items[:5]))
    torch.testing.assert_close(own, expected.diagonal(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_formula(name, width, small_blocks):
    """Of tokens, items and every parameter, computed block by block, against the naive loop's."""
    ours, (tokens, items) = random_one(name, width), inputs(width)
    theirs = copy.deepcopy(ours)
    given = torch.randn(5, 7)
    gradients = []
    for one, score in ((ours, scores_of), (theirs, lambda *of: naive_scores(name, *of))):
        sides = tokens.clone().requires_grad_(), items.clone().requires_grad_()
        score(one, *sides).backward(given)
        gradients.append([*(side.grad for side in sides), *(p.grad for p in one.parameters())])
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_differences(name, small_blocks):
    """Of both sides in float64, for `pairs` in blocks and for `own`.

    The fused kernel of `mlp` is float32 alone; its `own`, to which the test above ties it, is not.
    """
    one, (tokens, items) = random_one(name, 12, torch.float64), inputs(12, 3, 3, torch.float64)
    sides = tokens.requires_grad_(), items.requires_grad_()

    def own(tokens, items):
        return one.own(one.of_tokens(tokens), one.of_items(items))

    assert torch.autograd.gradcheck(own, sides)
    if name != "mlp":
        assert torch.autograd.gradcheck(lambda *of: scores_of(one, *of), sides)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_blocks_changes_nothing_but_rounding(name, gradients, monkeypatch):
    """One block, or many of different shapes; and a block never holds more pairs than it may."""
    one, (tokens, items) = random_one(name, 12), inputs(12, 23, 31)
    with torch.set_grad_enabled(gradients):
        whole = scores_of(one, tokens, items)
        for numbers in (1, 1000, 5000):
            monkeypatch.setattr(blocks, "HOST_NUMBERS", numbers)
            cut = scores_of(one, tokens, items)
            torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 3), (1000, 5), (5, 1000), (300, 400)])
def test_blocks_cover_every_pair_once_within_bounds(n, m, monkeypatch):
    """Sums of indices tell each pair apart; no block has more pairs than fit."""
    monkeypatch.setattr(blocks, "HOST_NUMBERS", 1200)
    seen = []

    def score(tokens, items):
        seen.append(len(tokens[0]) * len(items[0]))
        return tokens[0] * m + items[0].T

    tokens, items = (torch.arange(size, dtype=torch.float64)[:, None] for size in (n, m))
    expected = torch.arange(n * m, dtype=torch.float64).view(n, m)
    with torch.no_grad():
        assert torch.equal(blocks.in_blocks(score, (tokens,), (items,), 3), expected)
    assert sum(seen) == n * m
    assert max(seen) <= 400
    assert torch.equal(blocks.in_blocks(score, (tokens.requires_grad_(),), (items,), 3), expected)


@pytest.mark.parametrize("name", NAMES)
def test_no_tokens_or_no_items(name):
    """Sides without rows have no scores, and no error."""
    one, (tokens, items) = random_one(name), inputs(DIM)
    assert scores_of(one, tokens[:0], items).shape == (0, 7)
    assert scores_of(one, tokens, items[:0]).shape == (5, 0)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_training_starts_near_the_inner_product(name, width):
    """What stands beside <token, tower(item)> is a small share of the scores at first."""
    torch.manual_seed(0)
    one = make_interaction(name, DIM, width, HIDDEN)
    tokens, items = inputs(width, 50, 60)
    plain = tokens @ (one if name == "dot" else one.dot).item(items).T
    with torch.no_grad():
        assert (scores_of(one, tokens, items) - plain).std() < 0.1 * plain.std()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_from_the_first_step(name):
    """Starting small is not starting at zero: no gradient is cut off."""
    torch.manual_seed(0)
    one = make_interaction(name, DIM, 3 * DIM, HIDDEN)
    scores_of(one, *inputs(3 * DIM)).square().sum().backward()
    still = [part for part, value in one.named_parameters() if not value.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_twice(name, small_blocks):
    """Scores and gradients are equal bit for bit when computed again."""
    results = []
    for _ in range(2):
        one, (tokens, items) = random_one(name, 12), inputs(12, 23, 31)
        scores = scores_of(one, tokens, items)
        scores.square().sum().backward()
        results.append([scores, *(parameter.grad for parameter in one.parameters())])
    assert all(torch.equal(*both) for both in zip(*results, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_some_rows_of_a_side_are_the_sides_of_those_rows(name):
    """What an item brings can be kept and taken from: the index relies on it."""
    one, (tokens, items) = random_one(name, 12), inputs(12)
    few = torch.tensor([6, 0, 3])
    of_tokens, of_items = one.of_tokens(tokens), one.of_items(items)
    taken = one.pairs(take(of_tokens, slice(1, 3)), take(of_items, few))
    whole = one.pairs(of_tokens, of_items)[1:3, few]
    torch.testing.assert_close(taken, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "device", ["cpu:0", pytest.param("cuda", marks=pytest.mark.gpu)], ids=["cpu0", "cuda"]
)
@pytest.mark.parametrize("name", NAMES)
def test_another_device_gives_the_same(name, device):
    """Scores and gradients, within rounding, of an interaction moved to a device."""
    ours, (tokens, items) = random_one(name, 12), inputs(12, 23, 31)
    theirs = copy.deepcopy(ours).to(device)
    here, there = (
        scores_of(ours, tokens, items),
        scores_of(theirs, tokens.to(device), items.to(device)),
    )
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)
    for scores in (here, there):
        scores.sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(other.grad.cpu(), mine.grad, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_perceptron_of_any_depth(depth):
    """``depth`` counts hidden layers; one is the plain perceptron."""
    one, (tokens, items) = DeepMLP(DIM, 8, HIDDEN, depth=depth), inputs(8)
    assert len(one.layers) == depth - 1
    expected = naive_scores("deep_mlp", one, tokens, items)
    torch.testing.assert_close(scores_of(one, tokens, items), expected, rtol=1e-4, atol=1e-4)


def test_a_plain_mixture_of_other_sizes():
    """8 x 4 components, nothing beside: between the smallest and the largest cosine over 0.05."""
    torch.manual_seed(0)
    one = MixtureOfLogits(DIM, 8, HIDDEN, token_parts=8, item_parts=4, plain=True)
    tokens, items = inputs(8)
    scores = scores_of(one, tokens, items)
    expected = naive_scores("mixture_of_logits", one, tokens, items)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
    assert scores.abs().max() <= 20
    own = one.own(one.of_tokens(tokens), one.of_items(items[:5]))
    torch.testing.assert_close(own, scores.diagonal(), rtol=1e-4, atol=1e-4)


def test_senseless_sizes_are_refused():
    """No hidden layer at all; items that are not whole fields."""
    with pytest.raises(ValueError, match="depth = 0 must be at least 1"):
        DeepMLP(4, 8, 6, depth=0)
    with pytest.raises(ValueError, match="item_width = 9 must be a multiple of dim = 4"):
        SelfAttention(4, 9, 6)

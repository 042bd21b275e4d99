"""Routing of items to interests: a step by hand, loops in numpy, padding, gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from methods.encoders.layout import Layout
from methods.encoders.tensors import Bags
from methods.multi_interest.interests import make_routing
from methods.multi_interest.routing import places_from_end, route

DIM, K, LONGEST = 3, 3, 5
FORMS = [
    ("self_attention", False),
    ("self_attention", True),
    ("dynamic_routing", False),
    ("mind", False),
    ("mind", True),
]
LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


def routing_of(name, ordered, seed=0):
    torch.manual_seed(seed)
    return make_routing(name, DIM, 4, K, 3, LONGEST, ordered=ordered).double()


def layout_of(lengths):
    lists = Lists.of([[0] * length for length in lengths])
    return Layout.of(Bags.of(lists, "cpu"))


def items_of(lengths, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(sum(lengths), DIM)))


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def squashed(vector):
    length = np.linalg.norm(vector)
    return vector * length / (1 + length**2)


def by_loops(routing, name, ordered, items):
    """Return the interests of one history, (K or K', dim), computed one number after another."""
    m = len(items)
    weights = {key: value.numpy() for key, value in routing.state_dict().items()}
    if name == "self_attention":
        logits = np.empty((m, K))
        for i, item in enumerate(items):
            position = weights["positions.weight"][(m - 1 - i) % LONGEST] if ordered else 0
            logits[i] = weights["outer.weight"] @ np.tanh(
                weights["inner.weight"] @ (item + position)
            )
        return np.array([softmax(logits[:, j]) @ items for j in range(K)])
    n_interests, logits = K, np.zeros((m, K))
    if name == "mind":
        n_interests = max(1, min(K, math.floor(math.log2(m))))
        for i in range(m):
            logits[i] = weights["first"][((m - 1 - i) if ordered else i) % LONGEST]
    votes = np.empty((m, n_interests, DIM))
    for i in range(m):
        for j in range(n_interests):
            matrix = weights["votes"] if name == "mind" else weights["votes"][j]
            votes[i, j] = matrix @ items[i]
    logits = logits[:, :n_interests]
    for _ in range(3):
        shares = np.array([softmax(row) for row in logits])
        interests = [squashed(shares[:, j] @ votes[:, j]) for j in range(n_interests)]
        for i in range(m):
            for j in range(n_interests):
                logits[i, j] += interests[j] @ votes[i, j]
    return np.array(interests)


def test_two_turns_by_hand():
    """Items vote (1, 0) twice for interest 1, (0, 1) and (1, 0) for interest 2.

    Turn 1, shares of a half: s_1 = (1, 0), so v_1 = (1/2, 0); s_2 = (1/2, 1/2) of squared length
    1/2, so v_2 is as long as 1/2 / (3/2) = 1/3. Both items agree with interest 1 by 1/2 and with
    interest 2 by 1/3 * sqrt(1/2) = 0.2357. Turn 2: interest 1 gets 1 / (1 + exp(0.2357 - 0.5)) =
    0.5657 of each item: s_1 = (1.1314, 0) of squared length 1.2800, s_2 = (0.4343, 0.4343).
    """
    votes = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]])
    counted, start = torch.ones(1, 2, 1, dtype=torch.bool), torch.zeros(1, 2, 2)
    third = math.sqrt(1 / 2) / 3
    first = route(votes, start, counted, 1)[0]
    torch.testing.assert_close(first, torch.tensor([[0.5, 0.0], [third, third]]))
    share = 1 / (1 + math.exp(third - 0.5))
    assert round(share, 4) == 0.5657
    one, other = 2 * share, 1 - share
    length = math.sqrt(2) * other
    wanted = [[one**2 / (1 + one**2), 0.0], [other * length / (1 + length**2)] * 2]
    torch.testing.assert_close(route(votes, start, counted, 2)[0], torch.tensor(wanted))


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.sampled_from(FORMS))
def test_histories_of_any_lengths_are_routed_as_each_by_loops(lengths, form):
    """Also those longer than there are positions; an empty one has zeros; nothing leaks."""
    routing, items = routing_of(*form), items_of(lengths)
    with torch.no_grad():
        found = routing(items, layout_of(lengths)) if sum(lengths) else None
    counts = routing.counts(torch.tensor(lengths))
    ends = np.cumsum(lengths)
    for row, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        if length:
            wanted = by_loops(routing, *form, items[end - length : end].numpy())
            assert counts[row] == len(wanted)
            np.testing.assert_allclose(found[row, : len(wanted)], wanted, rtol=1e-6, atol=1e-9)
        elif found is not None:
            assert not found[row].any()


@pytest.mark.parametrize(("name", "ordered"), FORMS)
def test_gradients_are_those_of_finite_differences_and_stay_in_their_row(name, ordered):
    """Of items and of every weight; a row's interests do not move with another row's items."""
    routing, lengths = routing_of(name, ordered), [1, 0, 4, 2]
    items, layout = items_of(lengths).requires_grad_(), layout_of(lengths)
    weights = list(routing.parameters())

    def interests(given, *_):
        return routing(given, layout)

    assert torch.autograd.gradcheck(interests, (items, *weights))
    (gradient,) = torch.autograd.grad(routing(items, layout)[2].sum(), items)
    rows = torch.repeat_interleave(torch.tensor(lengths))
    assert (gradient[rows != 2] == 0).all()
    assert (gradient[rows == 2] != 0).all()


def test_the_number_of_interests_grows_with_the_logarithm():
    """K' = max(1, min(K, log2 m)), rounded down; by the definition, K = 3."""
    lengths = [0, 1, 2, 3, 4, 7, 8, 15, 16, 1 << 40]
    counts = routing_of("mind", False).counts(torch.tensor(lengths))
    assert counts.tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 3, 3]


@pytest.mark.parametrize("name", ["self_attention", "dynamic_routing"])
def test_order_means_nothing_in_a_log_without(name):
    """The items of a history in another order: the same interests."""
    routing, items, layout = routing_of(name, False), items_of([4]), layout_of([4])
    with torch.no_grad():
        turned = routing(items.flip(0), layout)
        torch.testing.assert_close(turned, routing(items, layout))


@pytest.mark.parametrize("name", ["self_attention", "mind"])
def test_order_counts_in_a_log_that_has_one(name):
    """Two items in the other order: other interests."""
    routing, items, layout = routing_of(name, True), items_of([4]), layout_of([4])
    with torch.no_grad():
        assert (routing(items.flip(0), layout) - routing(items, layout)).abs().max() > 1e-3


def test_places_are_counted_from_the_end():
    """The last item of each list has 0."""
    assert places_from_end(layout_of([3, 0, 2])).tolist() == [2, 1, 0, 1, 0]

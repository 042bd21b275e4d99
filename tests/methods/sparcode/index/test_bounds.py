"""Bounds hold for every score as it is computed; and orders of items keep all items."""

from itertools import pairwise

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.interactions.split_mlp import split_mlp
from methods.sparcode.index.bounds import (
    alike_order,
    dot_bounds,
    split_mlp_bounds,
    sum_of_bounds,
)
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.cut import CutRules
from methods.sparcode.index.scorer import SidesScorer

CASES = {
    "n_items": st.integers(1, 40),
    "width": st.integers(1, 9),
    "size": st.sampled_from([1e-30, 1e-3, 1.0, 1e3, 1e12]),
    "spread": st.sampled_from([0.0, 1e-6, 1.0]),
    "seed": st.integers(0, 10_000),
}


@pytest.fixture(autouse=True)
def one_thread():
    """Blocks are tiny here: two threads would wait for each other most of the time."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def make(n, width, size, spread, seed):
    """Return n rows about one point: scores that all but meet their bounds when spread is small."""
    random = torch.Generator().manual_seed(seed)
    return size * (
        torch.randn(1, width, generator=random) + spread * torch.randn(n, width, generator=random)
    )


def edges_of(n_items, seed):
    random = np.random.default_rng(seed)
    inner = random.choice(np.arange(1, n_items), min(3, n_items - 1), replace=False)
    return np.concatenate(([0], np.sort(inner), [n_items])).astype(np.int64)


def largest(scores, edges):
    pieces = [scores[:, a:b].amax(1) for a, b in pairwise(edges)]
    return torch.stack(pieces, dim=1)


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_no_inner_product_is_above_its_bound(n_items, width, size, spread, seed):
    """Also where codes and items are almost the same point, and rounding decides."""
    items = make(n_items, width, size, spread, seed)
    codes = make(6, width, 1.0, spread, seed)
    bias = torch.randn(6, generator=torch.Generator().manual_seed(seed))
    edges = edges_of(n_items, seed)
    bounds = dot_bounds(codes, items, bias)(edges).of_codes(0, 6)
    assert (largest(codes @ items.T + bias[:, None], edges) <= bounds).all()


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_no_score_of_one_hidden_layer_is_above_its_bound(n_items, width, size, spread, seed):
    """Weights of both signs."""
    a, b = make(6, width, 1.0, spread, seed), make(n_items, width, size, spread, seed + 1)
    w = torch.randn(width, generator=torch.Generator().manual_seed(seed))
    bias = torch.randn(6, generator=torch.Generator().manual_seed(seed + 1))
    edges = edges_of(n_items, seed)
    bounds = split_mlp_bounds(a, b, w, bias)(edges).of_codes(0, 6)
    assert (largest(split_mlp(a, b, w) + bias[:, None], edges) <= bounds).all()


def test_bounds_by_hand():
    """Items (3, 0), (5, 0): middle 4, radius 1, so code (1, 0) is at most 4 + 1 = 5, exactly met.

    Code (-1, 0): -4 + 1 = -3. One hidden unit of weight -1, a = 0, b in {1, 2}: at most -1.
    """
    items = torch.tensor([[3.0, 0.0], [5.0, 0.0]])
    codes = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    edges = np.array([0, 2])
    found = dot_bounds(codes, items, torch.zeros(2))(edges).of_codes(0, 2)
    assert found.flatten().tolist() == pytest.approx([5, -3], abs=1e-3)
    unit = split_mlp_bounds(
        torch.zeros(1, 1), torch.tensor([[1.0], [2.0]]), torch.tensor([-1.0]), torch.zeros(1)
    )
    assert unit(edges).of_codes(0, 1).item() == pytest.approx(-1, abs=1e-3)
    both = sum_of_bounds(
        dot_bounds(codes, items, torch.ones(2)), dot_bounds(codes, items, torch.zeros(2))
    )
    assert both(edges).of_codes(0, 2).flatten().tolist() == pytest.approx([11, -5], abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 200), block=st.integers(1, 50), seed=st.integers(0, 10_000))
def test_an_order_holds_every_item_once(n, block, seed):
    """Also where all items are the same."""
    vectors = make(n, 3, 1.0, float(seed % 2), seed)
    assert sorted(alike_order(vectors, block).tolist()) == list(range(n))


def test_an_order_brings_groups_together():
    """Two groups dealt out in turns: each of the two blocks of four holds one group."""
    vectors = torch.tensor([[0.0, 1.0], [0.0, 9.0]]).repeat(4, 1)
    order = alike_order(vectors, 4)
    assert sorted(order[:4].tolist()) == [0, 2, 4, 6]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), top=st.integers(1, 30), clustered=st.booleans())
def test_scores_of_a_fused_kernel_with_bounds_are_those_without(seed, top, clustered):
    """Bit for bit, with the items in another order: the kernel's sums do not depend on blocks."""
    random = torch.Generator().manual_seed(seed)
    items = torch.randn(9, 5, generator=random).repeat_interleave(100, 0)
    items = items + (0.05 if clustered else 1.0) * torch.randn(900, 5, generator=random)
    tokens = torch.randn(40, 5, generator=random)
    weights = torch.randn(7, generator=random)
    mixes = [torch.randn(5, 7, generator=random) for _ in range(2)]
    bias = torch.randn(40, generator=random) - 1

    a, b = tokens @ mixes[0], items @ mixes[1]

    def pairs(own, other):
        return split_mlp(own[0], other[0].contiguous(), weights)

    def scorer(order, bounded):
        own = b[torch.from_numpy(order)]
        bounds = split_mlp_bounds(a, own, weights, bias) if bounded else None
        ids = order.astype(np.int32)
        return SidesScorer(pairs, [a], [own], bias, item_ids=ids, make_bounds=bounds)

    rules = CutRules(top_per_code=top)
    plain = build_lists(scorer(np.arange(900), False), rules)
    order = alike_order(items, 64).numpy()
    for one, other in zip(build_lists(scorer(order, True), rules), plain, strict=True):
        np.testing.assert_array_equal(one, other)

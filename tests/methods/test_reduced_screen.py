"""Products of bfloat16 that tell which may exceed a margin: none that does is missed."""

import numpy as np
import pytest
import torch

import methods.reduced_screen
import methods.sparse_hinge
from methods.reduced_screen import screen_for
from methods.sparse_hinge import hinge_in_tiles

ALL = slice(None)
NO_PAIRS = (torch.zeros(0, dtype=torch.int64),) * 2


@pytest.fixture
def fast(monkeypatch):
    """As on a CPU that multiplies bfloat16 fast; every CPU can."""
    monkeypatch.setattr(methods.reduced_screen, "multiplies_bfloat16_fast", lambda: True)


def near(margin, n=200, m=500, d=3, seed=0):
    """Return vectors (n, d), (m, d), of lengths about 1, with products near the margin."""
    draw = np.random.default_rng(seed)
    axis = draw.normal(size=d)
    axis /= np.linalg.norm(axis)
    rows, columns = draw.normal(size=(n, d)), draw.normal(size=(m, d))
    rows, columns = (one - np.outer(one @ axis, axis) for one in (rows, columns))
    lengths = np.sqrt(margin) * (1 + 0.004 * draw.normal(size=m))[:, None]
    columns = lengths * axis + 0.02 * columns / np.linalg.norm(columns, axis=1, keepdims=True)
    rows = np.sqrt(margin) * axis + 0.02 * rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (torch.from_numpy(one).float() for one in (rows, columns))


@pytest.mark.parametrize("margin", [0.05, 0.5, 0.9, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_product_above_the_margin_escapes(fast, margin, seed):
    """Half of the products lie within 1 % of the margin; few further below it get through."""
    queries, items = near(margin, seed=seed)
    exact = queries.double() @ items.double().T
    assert 0.3 < (exact > margin).float().mean() < 0.7
    screen = screen_for(queries, items, margin)
    passed = torch.from_numpy(screen.codes(ALL, ALL) > screen.bound)
    assert not ((exact > margin) & ~passed).any()
    assert not (passed & (exact < 0.96 * margin)).any()


def test_vectors_at_the_edge_of_rounding_pass(fast):
    """Each number just under half way between two of bfloat16, so all are rounded down."""
    low = torch.tensor(1.0 + 2.0**-8 - 2.0**-20).repeat(128, 96) / 8
    screen = screen_for(low, low, float((low[0] @ low[0]) * (1 - 1e-6)))
    assert (screen.codes(ALL, ALL) > screen.bound).all()


@pytest.mark.parametrize("tile_scores", [1, 7000, 1 << 20])
@pytest.mark.parametrize("margin", [0.5, 0.9])
def test_the_screened_hinge_is_the_plain_one(fast, monkeypatch, tile_scores, margin):
    """Loss and gradients by the same pairs, some of which do not count, and one twice."""
    draw = torch.Generator().manual_seed(3)
    queries = torch.nn.functional.normalize(torch.randn(150, 4, generator=draw), dim=1)
    items = torch.nn.functional.normalize(torch.randn(400, 4, generator=draw), dim=1)
    rows = torch.randint(150, (900,), generator=draw).sort().values
    columns = torch.randint(400, (900,), generator=draw)
    pairs = rows.repeat_interleave(2), columns.repeat_interleave(2)
    monkeypatch.setattr(methods.sparse_hinge, "FEW", 1.0)
    screened = hinge_in_tiles(queries, items, margin, pairs, tile_scores)
    monkeypatch.setattr(methods.sparse_hinge, "screen_for", lambda *_: None)
    plain = hinge_in_tiles(queries, items, margin, pairs, tile_scores)
    assert plain.loss > 0
    assert screened.loss == pytest.approx(plain.loss, rel=1e-5)
    torch.testing.assert_close(screened.of_queries, plain.of_queries, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(screened.of_items, plain.of_items, rtol=1e-5, atol=1e-9)


def test_where_it_is_of_no_use_there_is_none(fast, monkeypatch):
    """Few queries, float64, a margin that rounding swallows, no items, a CPU without the units."""
    queries, items = near(0.9)
    assert screen_for(queries, items, 0.9) is not None
    assert screen_for(queries[:9], items, 0.9) is None
    assert screen_for(queries.double(), items.double(), 0.9) is None
    assert screen_for(queries, items, 0.005) is None
    assert screen_for(queries, items, -0.5) is None
    assert screen_for(queries, items[:0], 0.9) is None
    assert screen_for(queries * float("nan"), items, 0.9) is None
    monkeypatch.setattr(methods.reduced_screen, "multiplies_bfloat16_fast", lambda: False)
    assert screen_for(queries, items, 0.9) is None


def test_the_units_are_asked_of_torch(monkeypatch):
    """Of an older torch, which does not say, none."""
    has = {"amx_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert methods.reduced_screen.multiplies_bfloat16_fast()
    has["amx_bf16"] = False
    assert not methods.reduced_screen.multiplies_bfloat16_fast()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not methods.reduced_screen.multiplies_bfloat16_fast()

"""Packed lists hold what they were packed from, up to half a unit of impact, by impact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.sparcode.index.packed import impact_bits_for, pack, top_impact
from methods.sparcode.index.postings import Postings


def postings_of(rows):
    """Return the posting lists of dense rows, float32 (n_lists, n_items), zeros left out."""
    listed, items = np.nonzero(rows)
    starts = np.concatenate(([0], np.cumsum(np.bincount(listed, minlength=len(rows)))))
    return Postings(starts.astype(np.int64), items.astype(np.int32), rows[listed, items])


def unpack(packed, n_items):
    """Return dense rows of impacts, int64 (n_lists, n_items)."""
    rows = np.zeros((packed.lengths.size, n_items), np.int64)
    listed = np.repeat(np.arange(len(rows)), packed.lengths)
    rows[listed, packed.items[packed.entries >> packed.impact_bits]] = packed.entries & np.uint32(
        2**packed.impact_bits - 1
    )
    return rows


def test_a_case_by_hand():
    """Item 2 is the most popular: place 0; then 0, then 1. One list a query: impacts up to 65535.

    Scores 4, 1 and 4 are 65535, 16384 (16383.75) and 65535 units: ties stand by place.
    """
    packed = pack(postings_of(np.array([[4, 1, 4]], np.float32)), np.array([5, 0, 9]), 1)
    assert packed.impact_bits == 16
    assert packed.items.tolist() == [2, 0, 1]
    assert packed.places.tolist() == [1, 2, 0]
    assert packed.entries.tolist() == [0 << 16 | 65535, 1 << 16 | 65535, 2 << 16 | 16384]
    assert packed.scale == 4 / 65535


@settings(max_examples=150, deadline=None)
@given(
    n_items=st.integers(1, 40),
    n_lists=st.integers(1, 6),
    density=st.sampled_from([0.0, 0.2, 1.0]),
    most_lists=st.floats(1, 64),
    spread=st.sampled_from([0.0, 1.0, 12.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_scores_are_kept_within_half_a_unit(n_items, n_lists, density, most_lists, spread, seed):
    """|impact * scale - score| <= scale / 2; below that a score becomes one unit, never nothing.

    Lists stand by impact, the largest first, then by place; lists of the largest impact that
    weigh ``most_lists`` together fit 16 bits.
    """
    random = np.random.default_rng(seed)
    rows = np.exp(spread * random.standard_normal((n_lists, n_items))).astype(np.float32)
    rows[random.random(rows.shape) >= density] = 0
    popularity = random.integers(3, size=n_items)
    packed = pack(postings_of(rows), popularity, most_lists)
    impacts = unpack(packed, n_items)
    assert (packed.lengths == (rows > 0).sum(axis=1)).all()
    assert ((impacts > 0) == (rows > 0)).all()
    expected = np.maximum(rows, packed.scale / 2 * (rows > 0)).astype(np.float64)
    assert np.abs(impacts * packed.scale - expected).max() <= packed.scale * 0.5 * (1 + 1e-9)
    assert impacts.max() * most_lists <= 65535
    assert packed.items.tolist() == sorted(
        range(n_items), key=lambda item: (-popularity[item], item)
    )
    assert (packed.items[packed.places] == np.arange(n_items)).all()
    for begin, end in zip(packed.starts[:-1], packed.starts[1:], strict=True):
        entries = packed.entries[begin:end].tolist()
        bits = packed.impact_bits
        assert entries == sorted(entries, key=lambda one: (-(one % 2**bits), one >> bits))


@pytest.mark.parametrize("n_lists", [1, 3, 7, 40])
@pytest.mark.parametrize("n_codes", [2, 16])
def test_rounding_has_room(n_lists, n_codes):
    """Weights of sum ``n_lists`` on more lists, rounded up each: the top impact still fits."""
    rounded = n_lists * n_codes
    top = top_impact(100, n_lists, rounded)
    random = np.random.default_rng(n_lists)
    for _ in range(200):
        weights = random.dirichlet(np.ones(n_codes), n_lists).ravel()
        fixed = np.ceil(weights * 32768).astype(np.int64)  # worse than rounding
        assert ((top * fixed + 2**14) >> 15).sum() <= 65535


def test_what_an_impact_has_room_for():
    """A place among 1M items leaves 12 bits; 65535 / 5 is 13107, of 14 bits; 65535 / 8 is 8191."""
    assert top_impact(1_000_000, 4) == 4095
    assert top_impact(1_000, 5) == 13107
    assert top_impact(1_000, 8) == 8191
    assert [impact_bits_for(1_000, n_lists) for n_lists in (5, 8)] == [13, 13]
    assert top_impact(1, 1) == 65535


@pytest.mark.parametrize(("n_items", "most_lists"), [(2**27, 1), (100, 1041)])
def test_too_little_room_is_refused(n_items, most_lists):
    """Said with both numbers: 2^27 items leave 5 bits, 1041 lists 62."""
    with pytest.raises(ValueError, match=f"n_items = {n_items} and {most_lists} lists a query"):
        top_impact(n_items, most_lists)
    assert top_impact(2**26, 1) == top_impact(100, 1040) == 63


def test_a_score_that_is_not_above_zero_is_refused():
    """It would be stored as the least impact."""
    postings = Postings(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1, 0], np.float32))
    with pytest.raises(ValueError, match=r"scores must be above 0, the least is 0\.0"):
        pack(postings, np.zeros(2, np.int64), 1)

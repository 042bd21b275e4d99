"""Repeats without all distances are those of all distances."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.sparcode.model.repeats import repeats


def by_all_distances(vectors, distance):
    gaps = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    return np.tril(gaps <= distance, -1).any(axis=1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 40),
    width=st.sampled_from([1, 2, 9]),
    distance=st.sampled_from([0.0, 0.3, 1.0]),
    step=st.sampled_from([0.5, 0.0]),
)
def test_they_are_those_of_all_distances(seed, n, width, distance, step):
    """On a grid, with many equal vectors, and off it, with near ones and chains of near ones."""
    vectors = np.random.default_rng(seed).normal(size=(n, width))
    if step:
        vectors = np.round(vectors / step) * step
    expected = by_all_distances(vectors, distance)
    np.testing.assert_array_equal(repeats(vectors, distance), expected)


def test_equal_vectors_in_float32_are_found_whatever_their_length():
    """The inner products of float32 tell 64 numbers apart to 1e-3 at best; differences do not."""
    words = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    words[200:] = words[:100]
    assert np.flatnonzero(repeats(words, 1e-7)).tolist() == list(range(200, 300))


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1.0])
def test_many_vectors_need_little_memory(spread):
    """65,536 vectors of length 2, all equal, all near or all apart: not 17 GB but under 10 MB."""
    vectors = 1 + spread * np.random.default_rng(0).normal(size=(1 << 16, 2))
    tracemalloc.start()
    found = repeats(vectors, 1e-7)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
    if spread < 1:
        assert found.sum() == len(vectors) - 1
    else:
        assert found.sum() < 100

"""Spherical k-means: planted directions are found, its objective does not fall."""

import numpy as np
import pytest

from methods.sparcode import spherical_kmeans as kmeans
from methods.sparcode.spherical_kmeans import assign, spherical_kmeans


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


RANDOM = np.random.default_rng(0)
CLOUD = unit(RANDOM.normal(size=(600, 8)))


def objective(vectors, codewords):
    return float((vectors @ codewords.T).max(axis=1).mean())


def test_planted_directions_are_found():
    """Four axes with a little noise, 16 codewords: one lies within 5 degrees of each axis."""
    axes = np.eye(8)[:4]
    vectors = unit(axes[np.arange(400) % 4] + 0.02 * RANDOM.normal(size=(400, 8)))
    codewords = spherical_kmeans(vectors, 16, 25, 10, seed=1)
    assert (axes @ codewords.T).max(axis=1).min() > np.cos(np.deg2rad(5))


def test_codewords_have_length_one():
    """Also those that were never nearest to anything."""
    codewords = spherical_kmeans(CLOUD, 40, 10, 4, seed=0)
    assert (codewords.shape, codewords.dtype) == ((40, 8), np.float32)
    np.testing.assert_allclose(np.linalg.norm(codewords, axis=1), 1, atol=1e-5)


def test_more_iterations_fit_no_worse():
    """The mean of the largest inner product rises, the same seed starting from the same place."""
    found = [
        objective(CLOUD, spherical_kmeans(CLOUD, 20, 30, iterations, seed=0))
        for iterations in (1, 2, 4, 8)
    ]
    assert found == sorted(found)
    assert found[-1] > found[0]


def test_the_seed_alone_decides():
    """The same seed the same codewords, another seed others."""
    first = spherical_kmeans(CLOUD, 10, 20, 3, seed=5)
    np.testing.assert_array_equal(first, spherical_kmeans(CLOUD, 10, 20, 3, seed=5))
    assert (first != spherical_kmeans(CLOUD, 10, 20, 3, seed=6)).any()


def test_blocks_change_nothing(monkeypatch):
    """Seven vectors at a time or all: the same nearest codewords, those of brute force."""
    codewords = CLOUD[:12]
    whole = assign(CLOUD, codewords)
    monkeypatch.setattr(kmeans, "BLOCK_SCORES", 7 * 12)
    np.testing.assert_array_equal(assign(CLOUD, codewords), whole)
    np.testing.assert_array_equal(whole, (CLOUD @ codewords.T).argmax(axis=1))


@pytest.mark.parametrize("n", [1, 5])
def test_as_many_codewords_as_vectors(n):
    """Each vector is a codeword."""
    codewords = spherical_kmeans(CLOUD[:n], n, 3, 2, seed=0)
    np.testing.assert_allclose(np.sort(codewords, axis=0), np.sort(CLOUD[:n], axis=0), atol=1e-6)


def test_a_vector_of_zeros_makes_no_nan():
    """Its direction is nothing; the others keep theirs."""
    vectors = np.concatenate([np.zeros((2, 8), np.float32), CLOUD[:6]])
    assert np.isfinite(spherical_kmeans(vectors, 4, 9, 3, seed=0)).all()

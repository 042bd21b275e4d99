"""Spherical k-means over a sample: unit codewords of the largest inner products."""

import numpy as np
from scipy.sparse import csr_array

from harness.lists import FloatArray, IntArray
from harness.seeding import generator

BLOCK_SCORES = 1 << 24  # inner products held at once: 64 MB


def spherical_kmeans(
    vectors: FloatArray, n_codes: int, per_code: int, iterations: int, seed: int
) -> FloatArray:
    """Return codewords of length 1, float32 (n_codes, dim).

    At most ``n_codes * per_code`` vectors take part, drawn by lot, and the first codewords are
    among them. A codeword that no vector is nearest to stays where it is.

    References
    ----------
    Dhillon and Modha, "Concept decompositions for large sparse text data using clustering",
    Machine Learning 42, 2001.
    """
    random = generator(seed, "kmeans")
    chosen = random.permutation(len(vectors))[: n_codes * per_code]
    sample = np.ascontiguousarray(vectors[np.sort(chosen)])
    codewords = _unit(vectors[chosen[:n_codes]])
    for _ in range(iterations):
        assigned = assign(sample, codewords)
        ones = np.ones(len(sample), np.float32)
        members = csr_array((ones, assigned, np.arange(len(sample) + 1)), (len(sample), n_codes))
        sums = np.asarray(members.T @ sample)  # (n_codes, dim)
        used = np.bincount(assigned, minlength=n_codes) > 0
        codewords[used] = _unit(sums[used])
    return codewords


def assign(vectors: FloatArray, codewords: FloatArray) -> IntArray:
    """Return the codeword of the largest inner product of each vector, int64 (n,), in blocks."""
    rows = max(1, BLOCK_SCORES // len(codewords))
    parts = [
        np.argmax(vectors[start : start + rows] @ codewords.T, axis=1)
        for start in range(0, len(vectors), rows)
    ]
    return np.concatenate(parts)


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-30)), np.float32)

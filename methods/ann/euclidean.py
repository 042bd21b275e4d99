"""Inner products as Euclidean distances: the nearest vector is the one of the largest product."""

from typing import Literal

import numpy as np

from harness.lists import FloatArray

VectorSpace = Literal["euclidean", "inner_product"]


def of_equal_length(vectors: FloatArray) -> FloatArray:
    """Return vectors, float32 (n, dim), with one more coordinate that makes all equally long.

    It is sqrt(M^2 - |x|^2), M being the length of the longest. With a query q that has 0 there,
    |q - x|^2 = |q|^2 + M^2 - 2 q.x: the order by distance is the order by inner product, and unlike
    the inner product it is a metric among the vectors, which graphs of neighbours rely on.

    References
    ----------
    Bachrach, Finkelstein, Gilad-Bachrach, Katzir, Koenigstein, Nice and Paquet, "Speeding Up the
    Xbox Recommender System Using a Euclidean Transformation for Inner-Product Spaces", RecSys 2014,
    section 3.1.
    """
    n, dim = vectors.shape
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    longer = np.empty((n, dim + 1), np.float32)
    longer[:, :dim] = vectors
    longer[:, dim] = np.sqrt(squares.max(initial=0.0) - squares)
    return longer

"""Normal equations of `ials`: many small ridge regressions that share one Gram matrix.

Row u solves (Z_u^T Z_u + diag(c) + r_u I) x = Z_u^T 1, Z_u being the vectors that its list names,
in the basis in which the shared Gram matrix of all vectors is diagonal, c a multiple of it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from harness.lists import FloatArray, IntArray, Lists

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Vectors in the basis of the eigenvectors of their Gram matrix.

    Attributes
    ----------
    vectors : float32 (n, dim), V Q.
    values : float64 (dim,), eigenvalues of V^T V, none below 0.
    basis : float32 (dim, dim), the eigenvectors Q as columns; what is in the basis is brought back
        by ``@ basis.T``.
    """

    vectors: FloatArray
    values: Reals
    basis: FloatArray


def spectrum(vectors: FloatArray) -> Spectrum:
    """Decompose the Gram matrix of float32 (n, dim) vectors, in float64."""
    gram = (vectors.T @ vectors).astype(np.float64)
    values, basis = np.linalg.eigh(gram)
    turned = basis.astype(np.float32)
    return Spectrum(np.ascontiguousarray(vectors @ turned), np.maximum(values, 0.0), turned)


def solve_rows(lists: Lists, others: Spectrum, diagonals: tuple[Reals, Reals]) -> FloatArray:
    """Return the solution of each list, float32 (n, dim), 0 for an empty one.

    Parameters
    ----------
    diagonals : c float64 (dim,), and r float64 (n,), above 0.
    """
    shared, own = diagonals
    out = np.zeros((len(lists), others.vectors.shape[1]), np.float32)
    for row in np.flatnonzero(lists.lengths):
        out[row] = _solve(others.vectors, lists.row(int(row)), shared + own[row])
    return out


def _solve(vectors: FloatArray, ids: IntArray, diagonal: Reals) -> Reals:
    """Return x of (Z^T Z + diag(d)) x = Z^T 1, float64 (dim,).

    With fewer vectors than dimensions by (Z^T Z + D)^-1 Z^T = D^-1 Z^T (Z D^-1 Z^T + I)^-1.
    Products are float32, the systems that they enter float64.
    """
    near = vectors[ids]
    n, dim = near.shape
    if n > dim:
        gram = (near.T @ near).astype(np.float64)
        gram.flat[:: dim + 1] += diagonal
        return np.asarray(cho_solve(_factor(gram), near.sum(axis=0, dtype=np.float64)))
    inverse = 1 / diagonal
    scaled = near * np.sqrt(inverse).astype(np.float32)
    gram = (scaled @ scaled.T).astype(np.float64)
    gram.flat[:: n + 1] += 1
    share = cho_solve(_factor(gram), np.ones(n), check_finite=False)
    return np.asarray(inverse * (share @ near))


def _factor(gram: Reals) -> tuple[Reals, bool]:
    factor: tuple[Reals, bool] = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    return factor

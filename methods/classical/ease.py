"""EASE: the linear item-item model that has a closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import threadpoolctl
from scipy.linalg import lapack

from harness.errors import MethodError
from harness.interactions import HeldOut, Interactions
from harness.lists import FloatArray
from harness.spaces import Range, Space
from methods.classical.item_weights import DenseWeights, SparseWeights
from methods.classical.linear import LinearRetriever
from methods.classical.met import met_matrix
from methods.classical.room import require_bytes

# OpenBLAS 0.3.30 dies (SIGSEGV) when two threads factor 32,000 rows; 24,000 it does. Its Cholesky
# of many threads has done so in other versions, too.
MANY_ROWS = 20_000  # from which one thread factors and inverts
BLOCK_ROWS = 1024  # of n_items values, held beside the one large matrix


@dataclass(frozen=True, slots=True)
class EASEParams:
    """Regularisation, and how much of the result is kept.

    Attributes
    ----------
    l2 : of the squared weights (lambda), above 0.
    top_n : weights kept for each scored item, the largest by absolute value; none: all, dense.
    """

    l2: float = 500.0
    top_n: int | None = None

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise ValueError(f"l2 = {self.l2}; expected more than 0")
        if self.top_n is not None and self.top_n < 1:
            raise ValueError(f"top_n = {self.top_n}; expected at least 1, or none")


class EASE(LinearRetriever):
    """Predict whether a user meets an item from all the other items they met, by ridge regression.

    With G = X^T X of the binary user-item matrix and P = (G + lambda I)^-1, the weights are
    B_ij = -P_ij / P_jj off the diagonal and 0 on it (paper, eq. 8): item j's score is the sum of
    B_ij over the history. Every item has a score, often a negative one.

    Cost: n_items^3 multiplications and as many additions. One float32 matrix of n_items^2 values
    is filled, factored, inverted and scaled in place, 4 n_items^2 bytes, beside blocks of
    1,024 rows; what does not fit is refused before it begins. The paper's code works in
    float64, where the same steps take 8 n_items^2 bytes or more. Single precision changes a weight
    in the order of 1e-7 times the condition number, at most 1 + (largest eigenvalue of G) / lambda:
    1e-5 for Gowalla at lambda 80, whose largest eigenvalue is 8,180; there the fit takes 9.5
    minutes of one CPU core and 7.0 GB. A search adds a row of
    n_items weights for each item of the history.

    ``top_n`` makes the served weights sparse, which is not in the paper. What it drops is stated in
    the footprint: ``dropped_weight`` is the share of the sum of absolute weights.

    References
    ----------
    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, section 3.1.
    """

    BuildParams: ClassVar[type[EASEParams]] = EASEParams
    kind = "ease"
    TuneSpace: ClassVar[Space] = {"l2": Range(1.0, 1e5, log=True)}
    build_params: EASEParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Invert the regularised Gram matrix.

        Raises
        ------
        MethodError
            Memory is short, or the matrix is singular in single precision.
        """
        n_items = train.n_items
        require_bytes(
            4 * n_items * (n_items + 2 * BLOCK_ROWS),
            f"EASE on {n_items:,} items",
            "try slim or rp3beta, whose memory is linear in the items, or a smaller catalogue",
        )
        weights = _gram(train)
        weights.flat[:: n_items + 1] += self.build_params.l2
        _invert(weights)
        weights /= -weights.diagonal()
        np.fill_diagonal(weights, 0)
        self._weights = weights

    def build(self) -> None:
        """Serve all weights, or the largest of each scored item."""
        top_n, self._dropped = self.build_params.top_n, 0.0
        if top_n is None or top_n >= len(self._weights):
            self._serving = DenseWeights({"dense": self._weights})
        else:
            self._serving, self._dropped = largest(self._weights, top_n)
        del self._weights
        self.mark("index_build")

    def _facts(self) -> Mapping[str, float]:
        return {"dropped_weight": self._dropped}

    def _take_facts(self, facts: Mapping[str, float]) -> None:
        self._dropped = facts["dropped_weight"]


def largest(weights: FloatArray, top_n: int) -> tuple[SparseWeights, float]:
    """Keep the ``top_n`` weights of each column largest by absolute value, ties to the first row.

    Returns the lists and the share of the sum of absolute values that is left out.
    """
    n_items, kept, total = len(weights), [], 0.0
    for start in range(0, n_items, BLOCK_ROWS):
        block = np.ascontiguousarray(weights[:, start : start + BLOCK_ROWS].T)
        size = np.abs(block)
        total += float(size.sum(dtype=np.float64))
        chosen = np.argsort(-size, axis=1, kind="stable")[:, :top_n]
        scored = np.repeat(np.arange(start, start + len(block)), chosen.shape[1])
        kept.append((chosen.ravel(), scored, np.take_along_axis(block, chosen, 1).ravel()))
    seen, scored, values = (np.concatenate(part) for part in zip(*kept, strict=True))
    used = values != 0
    lists = SparseWeights.of(seen[used], scored[used], values[used], n_items, scores_all=True)
    share = float(np.abs(values).sum(dtype=np.float64)) / total if total else 1.0
    return lists, 1 - share


def _gram(train: Interactions) -> FloatArray:
    """Return how many users met both, float32 (n_items, n_items); whole numbers below 2^24."""
    met = met_matrix(train)
    items = met.T.tocsr()
    gram = np.empty((train.n_items, train.n_items), np.float32)
    for start in range(0, train.n_items, BLOCK_ROWS):
        gram[start : start + BLOCK_ROWS] = (items[start : start + BLOCK_ROWS] @ met).toarray()
    return gram


def _invert(matrix: FloatArray) -> None:
    """Replace a symmetric positive definite float32 matrix by its inverse, in place.

    Raises
    ------
    MethodError
        It is not positive definite in single precision.
    """
    by_column = matrix.T  # LAPACK's order of the same memory; the matrix is symmetric
    threads = 1 if len(matrix) > MANY_ROWS else None
    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        _invert_triangle(by_column, matrix)
    for start in range(0, len(matrix), BLOCK_ROWS):  # LAPACK fills one triangle
        end = start + BLOCK_ROWS
        corner = np.triu(matrix[start:end, start:end])
        matrix[start:end, start:end] = corner + np.triu(corner, 1).T
        matrix[end:, start:end] = matrix[start:end, end:].T


def _invert_triangle(by_column: FloatArray, matrix: FloatArray) -> None:
    for step, options in (
        (lapack.spotrf, {"lower": 1, "overwrite_a": 1, "clean": 0}),
        (lapack.spotri, {"lower": 1, "overwrite_c": 1}),
    ):
        result, info = step(by_column, **options)
        assert np.shares_memory(result, matrix), "LAPACK worked on a copy"
        if info != 0:
            raise MethodError(
                f"EASE: the Gram matrix of {len(matrix):,} items is singular in single precision "
                f"(LAPACK says {info}); try a larger l2"
            )

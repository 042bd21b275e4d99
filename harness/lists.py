"""Lists: n lists of ids of different lengths in two arrays (CSR), the shape of every history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lists:
    """n lists of ids: list r is ``ids[indptr[r]:indptr[r + 1]]``.

    Attributes
    ----------
    indptr : int64, (n + 1,), starts at 0 and never falls.
    ids : int64, (n_ids,)
    """

    indptr: IntArray
    ids: IntArray

    def __post_init__(self) -> None:
        """Hold the invariants; a violation is an error of the caller, not of a user's input."""
        indptr = self.indptr
        if indptr.ndim != 1 or indptr.size == 0 or indptr[0] != 0 or indptr[-1] != self.ids.size:
            raise ValueError(
                f"indptr must run from 0 to {self.ids.size} in one dimension, got {indptr!r}"
            )
        if np.any(np.diff(indptr) < 0):
            raise ValueError("indptr must never fall")

    def __len__(self) -> int:
        return self.indptr.size - 1

    @property
    def lengths(self) -> IntArray:
        """Return the length of each list, int64 (n,)."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> IntArray:
        """Return for each id the list it stands in, int64 (n_ids,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def row(self, index: int) -> IntArray:
        """Return list ``index`` as a view, int64 (length,)."""
        return self.ids[self.indptr[index] : self.indptr[index + 1]]

    def positions(self, rows: IntArray) -> IntArray:
        """Return where in ``ids`` the lists of ``rows`` lie, one after another, int64."""
        lengths = self.lengths[rows]
        starts = np.cumsum(lengths) - lengths
        positions = np.repeat(self.indptr[rows] - starts, lengths)
        positions += np.arange(positions.size)
        return positions

    def take(self, rows: IntArray) -> Self:
        """Return the lists of ``rows`` in that order; a row may occur more than once."""
        indptr = np.concatenate(([0], np.cumsum(self.lengths[rows]))).astype(np.int64)
        return type(self)(indptr, self.ids[self.positions(rows)])

    def tail(self, n: int) -> Self:
        """Return the last ``n`` ids of each list, fewer where a list is shorter."""
        lengths = np.minimum(self.lengths, n)
        indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        within = np.arange(int(indptr[-1]), dtype=np.int64) - np.repeat(indptr[:-1], lengths)
        return type(self)(indptr, self.ids[np.repeat(self.indptr[1:] - lengths, lengths) + within])

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Self:
        """Build from Python lists; for tests and small inputs.

        >>> Lists.of([[3, 1], [], [2]]).indptr.tolist()
        [0, 2, 2, 3]
        """
        indptr = np.concatenate(([0], np.cumsum([len(one) for one in lists], dtype=np.int64)))
        return cls(indptr.astype(np.int64), np.array([i for one in lists for i in one], np.int64))

    @classmethod
    def from_pairs(cls, rows: IntArray, ids: IntArray, n_rows: int) -> Self:
        """Build from (row, id) pairs in any row order; order within a row is kept."""
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=n_rows)
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return cls(indptr, np.asarray(ids, dtype=np.int64)[order])

    @classmethod
    def empty(cls, n_rows: int) -> Self:
        """Return ``n_rows`` empty lists."""
        return cls(np.zeros(n_rows + 1, np.int64), np.zeros(0, np.int64))

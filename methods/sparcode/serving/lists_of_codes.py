"""Which codes have lists, how often training queries use them, and how healthy that is."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CodesInUse:
    """The codes that have a list.

    Attributes
    ----------
    codes : int64 (n_lists,), over all groups, ascending.
    uses : float64 (n_lists,), summed weights of the training queries; 0 of a neighbour.
    starts : int64 (n_groups + 1,), where each group's codes begin.
    retired : int64, ascending, codes out of reach, which count for nothing and have no list; see
        `methods.sparcode.model.codebooks.Codebooks.retire_duplicates`.
    """

    codes: IntArray
    uses: Float64Array
    starts: IntArray
    retired: IntArray

    @classmethod
    def of(
        cls, coded: Iterable[tuple[IntArray, FloatArray]], starts: IntArray, retired: IntArray
    ) -> "CodesInUse":
        """Count the codes of queries, each by its weight."""
        total, seen = np.zeros(int(starts[-1])), np.zeros(int(starts[-1]), np.bool_)
        for codes, weights in coded:
            np.add.at(total, codes.ravel(), weights.ravel())
            seen[codes.ravel()] = True
        seen[retired] = False
        used = np.flatnonzero(seen)
        return cls(used, total[used], starts, retired)

    def with_others(self, codes: IntArray) -> "CodesInUse":
        """Return these and further codes, which no training query uses; none that is retired."""
        codes = np.setdiff1d(codes, self.retired)
        both = np.concatenate((self.codes, codes))
        order = np.argsort(both, kind="stable")
        uses = np.concatenate((self.uses, np.zeros(len(codes))))
        return CodesInUse(both[order], uses[order], self.starts, self.retired)

    def numbers(self) -> IntArray:
        """Return each code's list, int64 (n_codes,): -1 where there is none, -2 if retired."""
        numbers = np.full(int(self.starts[-1]), -1, np.int64)
        numbers[self.retired] = -2
        numbers[self.codes] = np.arange(self.codes.size)
        return numbers

    @property
    def perplexity(self) -> float:
        """Return exp of the entropy of a group's codes in use, its mean over groups."""
        groups = np.searchsorted(self.starts, self.codes, side="right") - 1
        n_groups = self.starts.size - 1
        total = np.bincount(groups, self.uses, n_groups)
        shares = self.uses / np.maximum(total[groups], 1e-30)
        logs = np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-30)), 0.0)
        entropy = -np.bincount(groups, logs, n_groups)
        return float(np.exp(entropy[total > 0]).mean()) if (total > 0).any() else 0.0

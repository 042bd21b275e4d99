"""Posting lists with scores as the model gave them: the exact form, before anything is packed."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray


class Postings(NamedTuple):
    """Posting lists: list r is items[starts[r]:starts[r + 1]], ids ascending, scores above zero.

    ``starts`` int64 (n_lists + 1,), ``items`` int32 (n,), ``scores`` float32 (n,).
    """

    starts: IntArray
    items: npt.NDArray[np.int32]
    scores: FloatArray

    @property
    def lengths(self) -> IntArray:
        """Return the number of postings of each list, int64 (n_lists,)."""
        return np.diff(self.starts)

    @property
    def nbytes(self) -> int:
        """Return the bytes of all lists."""
        return self.starts.nbytes + self.items.nbytes + self.scores.nbytes

    def take(self, lists: IntArray) -> "Postings":
        """Return the given lists, copied, in that order."""
        lengths = self.lengths[lists]
        starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        within = np.arange(int(starts[-1])) - np.repeat(starts[:-1], lengths)
        places = np.repeat(self.starts[lists], lengths) + within
        return Postings(starts, self.items[places], self.scores[places])

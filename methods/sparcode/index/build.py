"""The inverted index: code -> the items with a positive score, and those scores."""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np

from harness.lists import FloatArray
from harness.stages import Mark, no_mark
from methods.sparcode.index.postings import Postings

BLOCK_SCORES = 1 << 24  # dense scores held at once while building: 64 MB
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CodeSides:
    """What codes and items bring to the interaction, once the first layer is split.

    Attributes
    ----------
    token_hidden, token_dot : float32 (n_codes, H), (n_codes, D).
    item_hidden, item_dot : float32 (n_items, H), (n_items, D).
    weights : float32 (H,).
    bias : float32 (n_codes,), b of the token that each code belongs to.
    """

    token_hidden: FloatArray
    token_dot: FloatArray
    item_hidden: FloatArray
    item_dot: FloatArray
    weights: FloatArray
    bias: FloatArray

    def scores(self, first: int, after: int) -> FloatArray:
        """Return ReLU(s + b) of codes first..after with every item, float32 (n, n_items)."""
        return _scores(
            self.token_hidden[first:after],
            self.token_dot[first:after],
            self.item_hidden,
            self.item_dot,
            self.weights,
            self.bias[first:after],
        )


# With a signature numba compiles on import, so that no timed build pays for it.
_M, _V = "float32[:,::1]", "float32[::1]"


@numba.njit(f"{_M}({_M},{_M},{_M},{_M},{_V},{_V})", parallel=True, fastmath=True, cache=True)
def _scores(
    token_hidden: FloatArray,
    token_dot: FloatArray,
    item_hidden: FloatArray,
    item_dot: FloatArray,
    weights: FloatArray,
    bias: FloatArray,
) -> FloatArray:
    """Score every code with every item; each pair's sum is the same whatever the block."""
    out = np.empty((token_hidden.shape[0], item_hidden.shape[0]), np.float32)
    for r in numba.prange(token_hidden.shape[0]):
        for s in range(item_hidden.shape[0]):
            total = np.float32(0.0)
            for h in range(weights.size):
                total += weights[h] * max(token_hidden[r, h] + item_hidden[s, h], np.float32(0.0))
            dot = np.float32(0.0)
            for d in range(token_dot.shape[1]):
                dot += token_dot[r, d] * item_dot[s, d]
            out[r, s] = max(total + dot + bias[r], np.float32(0.0))
    return out


def build_postings(
    sides: CodeSides, report: Report = lambda *_: None, mark: Mark = no_mark
) -> Postings:
    """Return the posting list of every code, built in blocks of bounded memory.

    ``mark`` hears of ``precompute``, the scores, and of ``index_build``, the lists.
    """
    n_codes, n_items = len(sides.token_hidden), len(sides.item_hidden)
    rows = max(1, BLOCK_SCORES // n_items)
    lengths, items, scores = [], [], []
    for first in range(0, n_codes, rows):
        block = sides.scores(first, min(first + rows, n_codes))
        mark("precompute")
        code, item = np.nonzero(block)
        lengths.append(np.bincount(code, minlength=len(block)))
        items.append(item.astype(np.int32))
        scores.append(block[code, item])
        mark("index_build")
        report(min(first + rows, n_codes), n_codes)
    counts = np.concatenate(lengths) if lengths else np.zeros(0, np.int64)
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Postings(
        starts,
        np.concatenate(items) if items else np.zeros(0, np.int32),
        np.concatenate(scores) if scores else np.zeros(0, np.float32),
    )


def join(first: Postings, second: Postings) -> Postings:
    """Return the lists of both, those of ``second`` numbered after those of ``first``."""
    return Postings(
        np.concatenate((first.starts, first.starts[-1] + second.starts[1:])),
        np.concatenate((first.items, second.items)),
        np.concatenate((first.scores, second.scores)),
    )

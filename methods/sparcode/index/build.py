"""The one-hidden-layer interaction with an inner product beside it, scored by a fused kernel."""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.lists import FloatArray, IntArray
from harness.stages import Mark, no_mark
from methods.sparcode.index.bounds import dot_bounds, split_mlp_bounds, sum_of_bounds
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.cut import CutRules
from methods.sparcode.index.postings import Postings
from methods.sparcode.index.scorer import BlockBounds

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
        scores = self.block(slice(first, after), slice(None))
        return np.maximum(scores, np.float32(0), out=scores)

    def block(self, codes: slice | IntArray, items: slice) -> FloatArray:
        """Return s + b of some codes with some items, float32 (codes, items)."""
        return fused_scores(
            self.token_hidden[codes],
            self.token_dot[codes],
            self.item_hidden[items],
            self.item_dot[items],
            self.weights,
            self.bias[codes],
        )


class FusedScorer:
    """`CodeSides` as a `CodeScorer` on the host; a pair's score is the same whatever the block."""

    pair_bytes = 4

    def __init__(
        self,
        sides: CodeSides,
        *,
        item_ids: npt.NDArray[np.int32] | None = None,
        bounded: bool = False,
    ) -> None:
        """Take sides whose items stand in the order of ``item_ids``, or of their ids.

        Parameters
        ----------
        bounded : leave out blocks of items by their bounds; worth it where items stand in an order
            such as `methods.sparcode.index.bounds.alike_order` gives, and lists are short.
        """
        self._sides, self.bounded = sides, bounded
        self.n_codes, self.n_items = len(sides.token_hidden), len(sides.item_hidden)
        self.item_ids = np.arange(self.n_items, dtype=np.int32) if item_ids is None else item_ids
        self.device = torch.device("cpu")

    def scores(self, first_code: int, after_code: int, first_item: int, after_item: int) -> Tensor:
        """See `CodeScorer`."""
        codes, items = slice(first_code, after_code), slice(first_item, after_item)
        return torch.from_numpy(self._sides.block(codes, items))

    def scores_of(self, codes: IntArray, first_item: int, after_item: int) -> Tensor:
        """See `CodeScorer`."""
        return torch.from_numpy(self._sides.block(codes, slice(first_item, after_item)))

    def upper_bounds(self, edges: IntArray) -> BlockBounds:
        """See `CodeScorer`."""
        one = self._sides
        a, b, w, bias, c, d = (
            torch.from_numpy(np.ascontiguousarray(side))
            for side in (
                one.token_hidden,
                one.item_hidden,
                one.weights,
                one.bias,
                one.token_dot,
                one.item_dot,
            )
        )
        return sum_of_bounds(
            split_mlp_bounds(a, b, w, bias), dot_bounds(c, d, torch.zeros_like(bias))
        )(edges)


# With a signature numba compiles on import, so that no timed build pays for it.
_M, _V = "float32[:,::1]", "float32[::1]"


@numba.njit(f"{_M}({_M},{_M},{_M},{_M},{_V},{_V})", parallel=True, fastmath=True, cache=True)
def fused_scores(
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
            out[r, s] = total + dot + bias[r]
    return out


def build_postings(
    sides: CodeSides,
    report: Report = lambda *_: None,
    mark: Mark = no_mark,
    rules: CutRules | None = None,
) -> Postings:
    """Return the posting list of every code, see `methods.sparcode.index.building.build_lists`."""
    return build_lists(FusedScorer(sides), rules, progress=report, mark=mark)


def join(first: Postings, second: Postings) -> Postings:
    """Return the lists of both, those of ``second`` numbered after those of ``first``."""
    return Postings(
        np.concatenate((first.starts, first.starts[-1] + second.starts[1:])),
        np.concatenate((first.items, second.items)),
        np.concatenate((first.scores, second.scores)),
    )

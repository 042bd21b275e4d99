"""What an index is built from: something that scores blocks of codes with blocks of items."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.lists import IntArray

Int32Array = npt.NDArray[np.int32]
Pairs = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


class BlockBounds(Protocol):
    """Upper bounds of scores: of each code over each block of items."""

    def of_codes(self, first_code: int, after_code: int) -> Tensor:
        """Return float32 (codes, blocks): no score of the code in the block is larger.

        It holds for scores as they are computed, rounding included, in whatever order float32 sums
        are formed; not for scores computed in less than float32.
        """


MakeBounds = Callable[[IntArray], BlockBounds]


class CodeScorer(Protocol):
    """Scores s + b of codes with items, block by block."""

    @property
    def n_codes(self) -> int:
        """Return the number of codes."""

    @property
    def n_items(self) -> int:
        """Return the number of items."""

    @property
    def item_ids(self) -> Int32Array:
        """Return the id of the item at each of the scorer's places, int32 (n_items,).

        Bounds are tighter when items that are alike stand together.
        """

    @property
    def pair_bytes(self) -> int:
        """Return the bytes that a pair takes while a block is scored."""

    @property
    def bounded(self) -> bool:
        """Say whether there are upper bounds."""

    @property
    def device(self) -> torch.device:
        """Return where scores are computed."""

    def scores(self, first_code: int, after_code: int, first_item: int, after_item: int) -> Tensor:
        """Return s + b before any ReLU, float32 (codes, items), on the scorer's device.

        Whether a pair's score is the same to the last bit in blocks of another size is for the
        implementation to say; in matrix products of a library it need not be.
        """

    def scores_of(self, codes: IntArray, first_item: int, after_item: int) -> Tensor:
        """Return what `scores` does of codes that need not follow one another, int64 (n,)."""

    def upper_bounds(self, edges: IntArray) -> BlockBounds:
        """Return bounds for the blocks of places edges[j]..edges[j + 1]; asked only if bounded."""


class SidesScorer:
    """Any interaction that takes what codes bring and what items bring, each computed once.

    The first layer of a perceptron, projections and normalisations are paid per code and per item
    that way, not per pair.
    """

    def __init__(
        self,
        pairs: Pairs,
        code_sides: Sequence[Tensor],
        item_sides: Sequence[Tensor],
        bias: Tensor,
        *,
        item_ids: Int32Array | None = None,
        pair_bytes: int = 8,
        make_bounds: MakeBounds | None = None,
    ) -> None:
        """Keep the sides where they lie.

        Parameters
        ----------
        pairs : (sides of n codes, sides of m items) -> scores (n, m).
        code_sides, item_sides : tensors whose first axis is the code, the item.
        bias : (n_codes,), b of the token that each code belongs to.
        item_ids : int32 (n_items,), the ids of the items; None: 0, 1, 2, ...
        pair_bytes : bytes that ``pairs`` takes for a pair, its score included.
        make_bounds : see `methods.sparcode.index.bounds`; of these codes and items, in this order,
            and only for ``pairs`` that computes in float32.

        Raises
        ------
        ValueError
            Sides of different lengths.
        """
        self._pairs, self._codes, self._items = pairs, tuple(code_sides), tuple(item_sides)
        self._bias, self._make_bounds = bias, make_bounds
        self.n_codes, self.n_items = len(bias), len(self._items[0])
        self.item_ids = np.arange(self.n_items, dtype=np.int32) if item_ids is None else item_ids
        self.pair_bytes, self.device = pair_bytes + 4, bias.device  # and the sum with the bias
        lengths = [len(one) for one in self._codes], [len(one) for one in self._items]
        if set(lengths[0]) != {self.n_codes} or set(lengths[1]) != {len(self.item_ids)}:
            raise ValueError(
                f"sides of codes have lengths {lengths[0]}, of items {lengths[1]}; expected "
                f"{self.n_codes} as the bias and {len(self.item_ids)} as the item ids"
            )

    def scores(self, first_code: int, after_code: int, first_item: int, after_item: int) -> Tensor:
        """See `CodeScorer`."""
        return self._scores_at(slice(first_code, after_code), slice(first_item, after_item))

    def scores_of(self, codes: IntArray, first_item: int, after_item: int) -> Tensor:
        """See `CodeScorer`."""
        rows = torch.from_numpy(codes).to(self.device)
        return self._scores_at(rows, slice(first_item, after_item))

    def _scores_at(self, codes: slice | Tensor, items: slice) -> Tensor:
        with torch.inference_mode():
            scores = self._pairs(
                [one[codes] for one in self._codes], [one[items] for one in self._items]
            )
            return scores.float() + self._bias[codes][:, None]

    @property
    def bounded(self) -> bool:
        """See `CodeScorer`."""
        return self._make_bounds is not None

    def upper_bounds(self, edges: IntArray) -> BlockBounds:
        """See `CodeScorer`."""
        assert self._make_bounds is not None, "asked for bounds of a scorer that has none"
        return self._make_bounds(edges)

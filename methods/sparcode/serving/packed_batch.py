"""Packed posting lists on a device, and the batch of queries that a merge there reads."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.lists import FloatArray, IntArray, Lists
from harness.topk import PAD_ID, PAD_SCORE
from methods.sparcode.index.packed import PackedPostings

WEIGHT_BITS = 15  # after the point of a list's weight
ID_BITS = 32  # low bits of a key, which hold an item
LOW = (1 << ID_BITS) - 1
NO_CUT = (1 << 31) - 1


class DevicePostings(NamedTuple):
    """`PackedPostings` on a device: four bytes a posting, and four tables beside them.

    Attributes
    ----------
    starts : int64 (n_lists + 1,).
    entries : int32 (n_postings,), the bits of the uint32 entries.
    items, places : int32 (n_items,), the item at a place and the place of an item.
    scale : float32 (1,), the score of one unit of impact.
    impact_bits : low bits of an entry that hold the impact.
    """

    starts: Tensor
    entries: Tensor
    items: Tensor
    places: Tensor
    scale: Tensor
    impact_bits: int

    @classmethod
    def of(cls, packed: PackedPostings, device: str) -> "DevicePostings":
        """Return the lists copied to ``device``; they may be read-only, or lie in a mapped file."""
        return cls(
            torch.tensor(packed.starts, device=device),
            torch.tensor(packed.entries.view(np.int32), device=device),
            torch.tensor(packed.items, device=device),
            torch.tensor(packed.places, device=device),
            torch.tensor([packed.scale], dtype=torch.float32, device=device),
            packed.impact_bits,
        )

    @property
    def n_items(self) -> int:
        """Return the size of the catalogue."""
        return self.items.numel()

    @property
    def nbytes(self) -> int:
        """Return the bytes of all tables on the device."""
        tensors = (self.starts, self.entries, self.items, self.places, self.scale)
        return sum(one.numel() * one.element_size() for one in tensors)

    def spans(self, lists: Tensor, cut: int) -> tuple[Tensor, Tensor]:
        """Return where each list starts and how much of it is read, int64, 0 where it is -1."""
        known = lists.clamp(min=0)
        first = self.starts[known]
        lengths = (self.starts[known + 1] - first).clamp(max=cut)
        return first, torch.where(lists >= 0, lengths, 0)


class Batch(NamedTuple):
    """Queries on a device: the lists each reads and the places it may not return.

    Attributes
    ----------
    lists : int64 (n, L), -1 for no list.
    weights : int32 (n, L) of `WEIGHT_BITS` after the point, or None where all are 1.
    hidden_starts : int64 (n + 1,); query q hides hidden[hidden_starts[q]:hidden_starts[q + 1]].
    hidden : int32 (n_hidden,), places.
    hidden_rows : int64 (n_hidden,), the query of each hidden place.
    most : no query of the batch reads more postings.
    cut : postings of each list that are read at most, the first ones.
    at_most_one : no weight is above 1, so a weighted impact has no more bits than an impact.
    """

    lists: Tensor
    weights: Tensor | None
    hidden_starts: Tensor
    hidden: Tensor
    hidden_rows: Tensor
    most: int
    cut: int
    at_most_one: bool

    def rows(self, first: int, last: int) -> "Batch":
        """Return queries ``first`` to ``last``, the latter left out; reads two numbers back."""
        low, high = (int(self.hidden_starts[at]) for at in (first, last))
        return Batch(
            self.lists[first:last],
            None if self.weights is None else self.weights[first:last],
            self.hidden_starts[first : last + 1] - low,
            self.hidden[low:high],
            self.hidden_rows[low:high] - first,
            self.most,
            self.cut,
            self.at_most_one,
        )


class Found(NamedTuple):
    """The best items of a batch, on its device.

    ``ids`` int64 (n, k) and ``scores`` float32 (n, k), padded as `harness.topk.TopK` is;
    ``n_postings`` and ``n_candidates`` int64, of all queries together.
    """

    ids: Tensor
    scores: Tensor
    n_postings: Tensor
    n_candidates: Tensor


def place_batch(
    postings: DevicePostings,
    lists: IntArray,
    weights: FloatArray | None,
    hidden: Lists,
    cut: int | None,
) -> Batch:
    """Return the queries copied to where the lists are; the arguments are those of a merge."""
    device = postings.starts.device
    placed = torch.tensor(lists, device=device)
    fixed = None
    if weights is not None:
        whole = np.rint(weights * np.float32(1 << WEIGHT_BITS)).astype(np.int32)
        fixed = torch.tensor(whole, device=device)
    hidden_ids = torch.tensor(hidden.ids, device=device)
    reach = NO_CUT if cut is None else cut
    _, lengths = postings.spans(placed, reach)
    most = int(lengths.sum(1).max()) if placed.numel() else 0
    return Batch(
        placed,
        fixed,
        torch.tensor(hidden.indptr, device=device),
        postings.places[hidden_ids],
        torch.tensor(hidden.rows, device=device),
        most,
        reach,
        weights is None or float(weights.max(initial=0)) <= 1,
    )


def decode(keys: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return ids and scores of keys ``sum << ID_BITS | (LOW - item)``; where the sum is 0, pads.

    A score is ``float32(sum) * float32(scale)``.
    """
    sums = keys >> ID_BITS
    scores = sums.to(torch.float32) * scale
    found = sums > 0
    ids = torch.where(found, LOW - (keys & LOW), PAD_ID)
    return ids, torch.where(found, scores, PAD_SCORE)

"""The merge of posting lists by torch, for a GPU: the same sums and the same order as on the CPU.

A batch of queries has a dense row of scores each. The lists of all queries at one of the K places
are added at once: within one list no item occurs twice, so no two additions of such a step meet,
and each item's sum is formed in the order of `methods.sparcode.serving.merge`, bit for bit. Memory:
12 bytes per query of a block and item, blocks bounded by `BLOCK_SCORES`.
"""

import numpy as np
import torch
from torch import Tensor

from harness.lists import IntArray, Lists
from harness.stages import Mark, no_mark
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.sparcode.index.postings import Postings

BLOCK_SCORES = 1 << 28  # dense scores held on the device at once: 1 GiB of float32
_LOW_BITS = (1 << 32) - 1


class DeviceMerge:
    """Posting lists on a device, and the merge of some of them per query."""

    def __init__(self, postings: Postings, n_items: int, device: str) -> None:
        """Copy the lists to the device: 12 bytes a posting, for torch indexes by int64."""
        self._starts = torch.from_numpy(postings.starts).to(device)
        self._items = torch.from_numpy(postings.items).to(device, torch.int64)
        self._scores = torch.from_numpy(postings.scores).to(device)
        self._n_items, self._device = n_items, device

    @property
    def nbytes(self) -> int:
        """Return the bytes of the lists on the device."""
        tensors = (self._starts, self._items, self._scores)
        return sum(one.numel() * one.element_size() for one in tensors)

    def merge(
        self, lists: IntArray, hidden: Lists, k: int, mark: Mark = no_mark
    ) -> tuple[TopK, int, int]:
        """Return what `methods.sparcode.serving.merge.merge_lists` returns, ``lists`` int64 (n, K).

        ``mark`` is told where `transfer` and `scoring` end; the best are part of the latter.
        """
        rows = max(1, BLOCK_SCORES // self._n_items)
        ids = np.full((len(lists), k), PAD_ID, np.int64)
        scores = np.full((len(lists), k), PAD_SCORE, np.float32)
        n_postings = n_candidates = 0
        for first in range(0, len(lists), rows):
            block = slice(first, min(first + rows, len(lists)))
            chosen = torch.from_numpy(np.ascontiguousarray(lists[block])).to(self._device)
            some = hidden.take(np.arange(block.start, block.stop))
            at = torch.from_numpy(some.rows).to(self._device)
            hidden_ids = torch.from_numpy(some.ids).to(self._device)
            mark("transfer")
            totals, read = self._totals(chosen)
            n_postings += read
            n_candidates += int(torch.count_nonzero(totals))
            totals[at, hidden_ids] = 0.0
            best_of_block = _best(totals, k)
            mark("scoring")
            ids[block], scores[block] = (one.cpu().numpy() for one in best_of_block)
            mark("transfer")
        return TopK(ids, scores), n_postings, n_candidates

    def _totals(self, lists: Tensor) -> tuple[Tensor, int]:
        """Return the sum of each query's lists, float32 (n, n_items), and the postings read."""
        n = len(lists)
        totals = torch.zeros(n * self._n_items, device=self._device)
        n_read = 0
        for column in range(lists.shape[1]):
            starts = self._starts[lists[:, column]]
            lengths = self._starts[lists[:, column] + 1] - starts
            count = int(lengths.sum())
            owner = torch.repeat_interleave(
                torch.arange(n, device=self._device), lengths, output_size=count
            )
            before = torch.cumsum(lengths, 0) - lengths
            places = torch.arange(count, device=self._device) + (starts - before)[owner]
            where = owner * self._n_items + self._items[places]
            totals.index_add_(0, where, self._scores[places])
            n_read += count
        return totals.view(n, self._n_items), n_read


def _best(totals: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best positive totals of each row, ties to the smaller id, padded.

    Bits of positive floats are ordered as the floats are, so one whole number holds score and id.
    """
    n_items = totals.shape[1]
    bits = totals.view(torch.int32).to(torch.int64)
    order = _LOW_BITS - torch.arange(n_items, device=totals.device)
    keys = torch.topk((bits << 32) | order, k, dim=1).values
    ids = _LOW_BITS - (keys & _LOW_BITS)
    scores = (keys >> 32).to(torch.int32).view(torch.float32)
    found = scores > 0
    return torch.where(found, ids, PAD_ID), torch.where(found, scores, PAD_SCORE)

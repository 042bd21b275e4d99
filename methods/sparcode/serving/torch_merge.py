"""The merge of packed posting lists by torch operations, in two ways: scatter, and sort.

Sums are whole numbers, so the order of additions changes nothing, and both ways, the Triton kernels
and the CPU kernel find the same sums, hence the same ids in the same order. Scores are the same to
the bit on a device; there a score is a product of float32 numbers, on the CPU one of float64
rounded once, so that the two may differ in their last bits.

*Scatter* adds into a dense row of the catalogue per query and ranks all of the row: its cost grows
with n_items. *Sort* orders the postings of each query by item and adds up what is equal: its cost
grows with the postings and knows no catalogue.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from methods.sparcode.serving.packed_batch import (
    ID_BITS,
    LOW,
    WEIGHT_BITS,
    Batch,
    DevicePostings,
    Found,
    decode,
)

HIDDEN = 1 << 31  # added to the sum of an item that may not be returned; no sum reaches it
NO_ITEM = (1 << 31) - 1  # sorts behind every item


class Spread(NamedTuple):
    """The postings of a batch in one row, query by query.

    ``query`` int64, ``place`` int64 and ``impact`` int64 (n,), the latter weighted;
    ``before`` int64 (n_queries,), how many postings earlier queries have.
    """

    query: Tensor
    place: Tensor
    impact: Tensor
    before: Tensor


def spread(postings: DevicePostings, batch: Batch) -> Spread:
    """Return every posting that the batch reads."""
    width = batch.lists.shape[1]
    first, lengths = (one.flatten() for one in postings.spans(batch.lists, batch.cut))
    total = int(lengths.sum())
    device = lengths.device
    owner = torch.repeat_interleave(
        torch.arange(len(lengths), device=device), lengths, output_size=total
    )
    ahead = torch.cumsum(lengths, 0) - lengths
    at = torch.arange(total, device=device) + (first - ahead)[owner]
    entry = postings.entries[at].to(torch.int64) & LOW
    impact = entry & ((1 << postings.impact_bits) - 1)
    if batch.weights is not None:
        weight = batch.weights.flatten()[owner]
        impact = (impact * weight + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS
    return Spread(owner // width, entry >> postings.impact_bits, impact, ahead[::width])


def merge_by_scatter(postings: DevicePostings, batch: Batch, k: int) -> Found:
    """Return the k best items of each query, by dense rows: 12 bytes per query and item."""
    n, n_items = len(batch.lists), postings.n_items
    one = spread(postings, batch)
    totals = torch.zeros(n * n_items, dtype=torch.int32, device=one.query.device)
    totals.index_add_(0, one.query * n_items + one.place, one.impact.to(torch.int32))
    totals = totals.view(n, n_items)
    n_candidates = torch.count_nonzero(totals)
    totals[batch.hidden_rows, batch.hidden.to(torch.int64)] = 0
    keys = (totals.to(torch.int64) << ID_BITS) | (LOW - postings.items.to(torch.int64))
    ids, scores = decode(torch.topk(keys, k, dim=1).values, postings.scale)
    return Found(ids, scores, torch.tensor(len(one.query)), n_candidates)


def merge_by_sort(postings: DevicePostings, batch: Batch, k: int) -> Found:
    """Return the k best items of each query, by sorting its postings: about 80 bytes a posting.

    A hidden item is a posting of `HIDDEN` more, so that its sum tells that it is hidden.
    """
    n = len(batch.lists)
    one = spread(postings, batch)
    device = one.query.device
    n_hidden = torch.diff(batch.hidden_starts)
    most = batch.most + (int(n_hidden.max()) if n else 0)
    keys = torch.full((n, max(most, k)), NO_ITEM << ID_BITS, dtype=torch.int64, device=device)
    column = torch.arange(len(one.query), device=device) - one.before[one.query]
    keys[one.query, column] = (postings.items[one.place].to(torch.int64) << ID_BITS) | one.impact
    within = torch.arange(len(batch.hidden), device=device) - batch.hidden_starts[batch.hidden_rows]
    behind = torch.bincount(one.query, minlength=n)[batch.hidden_rows] + within
    hidden_items = postings.items[batch.hidden].to(torch.int64)
    keys[batch.hidden_rows, behind] = (hidden_items << ID_BITS) | HIDDEN
    keys = torch.sort(keys, dim=1).values
    item, totals = keys >> ID_BITS, _totals_of_runs(keys >> ID_BITS, keys & LOW)
    n_candidates = torch.count_nonzero(totals & (HIDDEN - 1))
    ranked = torch.where((totals > 0) & (totals < HIDDEN), (totals << ID_BITS) | (LOW - item), 0)
    ids, scores = decode(torch.topk(ranked, k, dim=1).values, postings.scale)
    return Found(ids, scores, torch.tensor(len(one.query)), n_candidates)


def _totals_of_runs(item: Tensor, value: Tensor) -> Tensor:
    """Return at the last of each run of equal items the sum of its values, elsewhere 0.

    Both int64 (n, width), values not negative: running sums never fall, so the running sum where
    the run before ended is the largest seen at an end so far.
    """
    running = torch.cumsum(value, 1)
    last = torch.ones_like(item, dtype=torch.bool)
    last[:, :-1] = item[:, :-1] != item[:, 1:]
    ends = torch.cummax(torch.where(last, running, 0), 1).values
    before = torch.zeros_like(ends)
    before[:, 1:] = ends[:, :-1]
    return torch.where(last, running - before, 0)

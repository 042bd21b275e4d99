"""Posting lists and queries for `micro.device_merge`, and what the right answers are."""

import dataclasses

import numpy as np
import torch

from harness.lists import Lists
from methods.sparcode.index.packed import PackedPostings, impact_bits_for


@dataclasses.dataclass(frozen=True)
class Setting:
    """Queries that read ``n_lists`` lists of ``n_postings`` each."""

    n_lists: int
    n_postings: int

    def __str__(self):
        return f"{self.n_lists} x {self.n_postings}"

    def bytes_a_query(self, k):
        """Return the bytes a merge must move: postings, numbers of lists, and the answer."""
        return 4 * self.n_lists * self.n_postings + 8 * self.n_lists + 12 * k


def make_packed(n_codes, n_postings, n_items, n_lists, device, seed=7):
    """Return ``n_codes`` lists of ``n_postings`` items each, drawn as Zipf's law has it.

    Items are numbered by popularity. One item is drawn from each of n_postings equal parts of the
    distribution (exponent 1) and moved on where it is taken, so no item occurs twice in a list.
    Impacts are uniform, of all bits, and independent of the item.
    """
    bits = impact_bits_for(n_items, n_lists)
    random = torch.Generator(device).manual_seed(seed)
    column = torch.arange(n_postings, device=device)
    entries = np.empty((n_codes, n_postings), np.uint32)
    step = max(1, (1 << 24) // n_postings)
    for first in range(0, n_codes, step):
        shape = (min(step, n_codes - first), n_postings)
        part = (column + torch.rand(shape, generator=random, device=device)) / n_postings
        place = torch.pow(float(n_items), part.double()).long() - 1
        place = column + torch.cummax(place - column, 1).values
        place.clamp_(max=n_items - n_postings + column)
        order = torch.rand(shape, generator=random, device=device).argsort(1)
        impact = torch.randint(1, 2**bits, shape, generator=random, device=device)
        impact = impact.sort(1, descending=True).values
        entries[first : first + len(order)] = (
            (place.gather(1, order) << bits | impact).cpu().numpy()
        )
    identity = np.arange(n_items, dtype=np.int32)
    starts = np.arange(n_codes + 1, dtype=np.int64) * n_postings
    return PackedPostings(starts, entries.ravel(), identity, identity, 1 / 3, bits)


def by_hand(packed, lists, k):
    """Return the k best of each query by adding whole numbers on the CPU; no hidden items."""
    ids = np.full((len(lists), k), -1, np.int64)
    scores = np.full((len(lists), k), -np.inf, np.float32)
    for row, chosen in enumerate(lists):
        parts = [packed.entries[packed.starts[one] : packed.starts[one + 1]] for one in chosen]
        entries = np.concatenate(parts)
        item, inverse = np.unique(entries >> np.uint32(packed.impact_bits), return_inverse=True)
        impact = (entries & np.uint32((1 << packed.impact_bits) - 1)).astype(np.int64)
        total = np.zeros(item.size, np.int64)
        np.add.at(total, inverse, impact)
        order = np.lexsort((item, -total))[:k]
        ids[row, : order.size] = item[order]
        scores[row, : order.size] = total[order].astype(np.float32) * np.float32(packed.scale)
    return ids, scores


def make_queries(n_codes, n, n_lists, seed=8):
    """Return lists int64 (n, n_lists), every list as likely as another, and nothing hidden."""
    return np.random.default_rng(seed).integers(n_codes, size=(n, n_lists)), Lists.empty(n)

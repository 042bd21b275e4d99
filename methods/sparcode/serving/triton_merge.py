"""The merge of packed posting lists by one Triton kernel: a program merges a query, all in one.

A program holds all postings of its query in registers. It adds them by atomic additions into a row
of the catalogue that is its own and all zero, then takes each sum out again by an atomic exchange
with zero: of the postings of one item the first gets the sum and the others get zero, so nothing
has to be sorted to find equal items, and the row is all zero again. The k best are found by
bisection over keys ``sum << id_bits | (largest id - item)``, which no two items share, written out and
put in order. A program goes on to further queries, so there are as many rows as programs run at
once, not as queries. Only places in use are touched: the cost does not grow with the catalogue,
except that fewer of the touched places are in the cache.

Triton comes with torch for CUDA; without it `AVAILABLE` is False and torch operations serve.
"""

from typing import Any

import torch

from methods.sparcode.serving.packed_batch import Batch, DevicePostings, Found

try:
    import triton
    import triton.language as tl
except ImportError:  # torch for the CPU comes without it
    triton = None

AVAILABLE = triton is not None
MOST_POSTINGS = 1 << 14  # of one query: 16 to a thread of the largest program
MOST_BEST = 1 << 11  # k
SCRATCH_BYTES = 1 << 31  # rows of sums held at once, unless the device is small
PROGRAMS = 8  # at most, to a multiprocessor
LEAST_WIDTH, LEAST_BEST = 512, 16  # below these, one compiled kernel serves all

if triton is not None:

    @triton.jit(do_not_specialize=["n", "n_lists", "n_items", "k", "cut", "impact_bits", "id_bits"])
    def _merge(
        starts: Any,
        entries: Any,
        items: Any,
        scale: Any,
        lists: Any,
        weights: Any,
        hidden_starts: Any,
        hidden: Any,
        rows: Any,
        found: Any,
        ids: Any,
        scores: Any,
        counts: Any,
        n: Any,
        n_lists: Any,
        n_items: Any,
        k: Any,
        cut: Any,
        impact_bits: Any,
        impact_mask: Any,
        place_mask: Any,
        id_bits: Any,
        id_mask: Any,
        WEIGHTED: tl.constexpr,  # noqa: N803  Triton's way to write what is known when compiling
        WIDTH: tl.constexpr,  # noqa: N803
        BEST: tl.constexpr,  # noqa: N803
        THREADS: tl.constexpr,  # noqa: N803
    ) -> None:
        slot = tl.program_id(0)
        row = rows + slot.to(tl.int64) * n_items
        mine = found + slot.to(tl.int64) * BEST
        at = tl.arange(0, WIDTH)
        column = tl.arange(0, BEST)
        unit = tl.load(scale)
        for q in range(slot, n, tl.num_programs(0)):
            # Posting number `at` of the query: in which list, and where in the entries.
            here = tl.zeros((WIDTH,), dtype=tl.int32)
            weight = tl.zeros((WIDTH,), dtype=tl.int32)
            total = tl.zeros((), dtype=tl.int32)
            for begin in range(0, n_lists, 8):
                for step in tl.static_range(8):  # unrolled, so that one load waits for no other
                    number = begin + step
                    spot = tl.cast(q, tl.int64) * n_lists + number
                    one = tl.load(lists + spot, mask=number < n_lists, other=-1)
                    first = tl.load(starts + one, mask=one >= 0, other=0)
                    last = tl.load(starts + one + 1, mask=one >= 0, other=0)
                    here = tl.where(at >= total, at + (first.to(tl.int32) - total), here)
                    if WEIGHTED:
                        factor = tl.load(weights + spot, mask=number < n_lists, other=0)
                        weight = tl.where(at >= total, factor, weight)
                    total += tl.minimum(last - first, cut).to(tl.int32)
            there = at < total
            entry = tl.load(entries + here, mask=there, other=0)
            place = (entry >> impact_bits) & place_mask
            impact = entry & impact_mask
            if WEIGHTED:
                impact = ((impact.to(tl.int64) * weight + 16384) >> 15).to(tl.int32)
            tl.atomic_add(row + place, impact, mask=there, sem="relaxed")
            tl.debug_barrier()
            # What is hidden is taken out first; it was met all the same.
            met = tl.zeros((), dtype=tl.int32)
            hidden_end = tl.load(hidden_starts + q + 1)
            for begin in range(tl.load(hidden_starts + q), hidden_end, THREADS):
                which = begin + tl.arange(0, THREADS)
                gone = tl.load(hidden + which, mask=which < hidden_end, other=0)
                nothing = tl.zeros((THREADS,), dtype=tl.int32)
                old = tl.atomic_xchg(row + gone, nothing, mask=which < hidden_end, sem="relaxed")
                met += tl.sum(((old > 0) & (which < hidden_end)).to(tl.int32), 0)
            tl.debug_barrier()
            empty = tl.zeros((WIDTH,), dtype=tl.int32)
            sums = tl.atomic_xchg(row + place, empty, mask=there, sem="relaxed")
            positive = there & (sums > 0)
            item = tl.load(items + place, mask=there, other=0)
            key = (sums.to(tl.int64) << id_bits) | (n_items - 1 - item).to(tl.int64)
            key = tl.where(positive, key, 0)
            n_left = tl.sum(positive.to(tl.int32), 0)
            # The largest floor that k keys reach; all of them where there are no more than k.
            floor = tl.full((), 1, dtype=tl.int64)
            top = tl.max(key, 0)
            top = tl.where(n_left > k, top, floor)
            while floor < top:
                middle = floor + ((top - floor + 1) >> 1)
                reach = tl.sum((key >= middle).to(tl.int32), 0)
                floor = tl.where(reach >= k, middle, floor)
                top = tl.where(reach == k, middle, tl.where(reach > k, top, middle - 1))
            taken = key >= floor
            rank = tl.cumsum(taken.to(tl.int32), 0) - 1
            tl.store(mine + rank, key, mask=taken)
            tl.debug_barrier()
            best = tl.load(mine + column, mask=column < tl.minimum(n_left, k), other=0)
            best = tl.sort(best, descending=True)
            value = (best >> id_bits).to(tl.float32) * unit
            is_one = best > 0
            identity = n_items - 1 - (best & id_mask)
            out = tl.cast(q, tl.int64) * k + column
            tl.store(ids + out, tl.where(is_one, identity, -1), mask=column < k)
            score = tl.where(is_one, value, float("-inf"))
            tl.store(scores + out, score, mask=column < k)
            tl.store(counts + 2 * q, total.to(tl.int64))
            tl.store(counts + 2 * q + 1, (n_left + met).to(tl.int64))
            tl.debug_barrier()


def power_of_two(at_least: int) -> int:
    """Return the smallest power of two that is not below.

    >>> [power_of_two(n) for n in (1, 2, 3, 512, 513)]
    [1, 2, 4, 512, 1024]
    """
    return 1 << max(0, at_least - 1).bit_length()


class TritonMerge:
    """The kernel with its rows of sums, which stay on the device, all zero between calls.

    Two calls at a time must not share one.

    Attributes
    ----------
    programs : programs that run at once, each with a row of its own.
    width_of_warp : postings to a warp; a program has as many warps as its width needs, 4 to 32.
    """

    width_of_warp = 256

    def __init__(self, postings: DevicePostings) -> None:
        """Make rows on the device of ``postings``, as many as programs run at once.

        Raises
        ------
        ValueError
            The lists cannot be served so; see `serves`.
        """
        if not self.serves(postings):
            raise ValueError(
                f"lists on {postings.starts.device} with {postings.entries.numel()} postings are "
                "not for Triton: it needs a CUDA device and fewer than 2^31 postings"
            )
        self._postings = postings
        facts = torch.cuda.get_device_properties(postings.starts.device)
        room = min(SCRATCH_BYTES, facts.total_memory // 8)
        fitting = max(1, room // (4 * postings.n_items))
        self.programs = min(fitting, PROGRAMS * facts.multi_processor_count)
        self._rows = torch.zeros(0, dtype=torch.int32, device=postings.starts.device)

    @staticmethod
    def serves(postings: DevicePostings) -> bool:
        """Return whether the kernel can merge these lists at all."""
        return AVAILABLE and postings.entries.is_cuda and postings.entries.numel() < 2**31

    @staticmethod
    def fits(batch: Batch, k: int) -> bool:
        """Return whether the kernel can merge these queries: neither too many nor a huge k."""
        return batch.most <= MOST_POSTINGS and k <= MOST_BEST

    @property
    def nbytes(self) -> int:
        """Return the bytes of the rows of sums held at present."""
        return self._rows.numel() * self._rows.element_size()

    def merge(self, batch: Batch, k: int) -> Found:
        """Return the k best items of each query; the batch satisfies `fits`."""
        postings, n = self._postings, len(batch.lists)
        device, n_items = postings.starts.device, postings.n_items
        programs = max(1, min(self.programs, n))
        if self._rows.numel() < programs * n_items:
            self._rows = torch.zeros(programs * n_items, dtype=torch.int32, device=device)
        width = max(LEAST_WIDTH, power_of_two(batch.most))
        best = max(LEAST_BEST, power_of_two(k))
        warps = min(32, max(4, width // self.width_of_warp))
        ids = torch.empty((n, k), dtype=torch.int64, device=device)
        scores = torch.empty((n, k), dtype=torch.float32, device=device)
        counts = torch.empty((n, 2), dtype=torch.int64, device=device)
        bits, id_bits = postings.impact_bits, n_items.bit_length()
        with torch.cuda.device(device):
            _merge[(programs,)](
                postings.starts,
                postings.entries,
                postings.items,
                postings.scale,
                batch.lists,
                batch.lists if batch.weights is None else batch.weights,
                batch.hidden_starts,
                batch.hidden,
                self._rows,
                torch.empty((programs, best), dtype=torch.int64, device=device),
                ids,
                scores,
                counts,
                n,
                batch.lists.shape[1],
                n_items,
                k,
                batch.cut,
                bits,
                (1 << bits) - 1,
                (1 << (32 - bits)) - 1,
                id_bits,
                (1 << id_bits) - 1,
                WEIGHTED=batch.weights is not None,
                WIDTH=width,
                BEST=best,
                THREADS=32 * warps,
                num_warps=warps,
            )
        n_postings, n_candidates = counts.sum(0)
        return Found(ids, scores, n_postings, n_candidates)

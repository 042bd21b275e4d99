"""DeviceMerger: packed posting lists on a device, merged there for a batch of queries.

Four ways lead to the same whole numbers, hence to the same ids and scores (as on the CPU, scores up
to their last bits, see `torch_merge`): two Triton kernels
(`triton_merge`), and torch operations by scatter or by sort (`torch_merge`).
"""

from typing import Literal, get_args

import torch

from harness.lists import FloatArray, IntArray, Lists
from harness.stages import Mark, no_mark
from harness.topk import TopK
from methods.sparcode.index.packed import PackedPostings
from methods.sparcode.serving.packed_batch import Batch, DevicePostings, Found, place_batch
from methods.sparcode.serving.torch_merge import merge_by_scatter, merge_by_sort
from methods.sparcode.serving.triton_merge import TritonMerge

Way = Literal["triton_rows", "triton_sort", "sort", "scatter"]
WAYS: tuple[Way, ...] = get_args(Way)
BLOCK_SUMS = 1 << 27  # dense sums held at once: 0.5 GiB, and 1 GiB of keys
BLOCK_POSTINGS = 1 << 24  # postings sorted at once: about 1.3 GiB in all
FEW_ROWS = 8  # times fewer programs with a row than without: from there on sort, see `way`
SORT_COST = 10  # places of a dense row that cost as much as one posting sorted, see `way`


class DeviceMerger:
    """Packed posting lists on a device, and the merge of some of them per query.

    Memory: 4 bytes a posting, 8 a list and 8 an item; while merging, what the way taken needs: rows
    of 4 bytes an item for each program of the Triton kernel with rows (no more than
    `triton_merge.SCRATCH_BYTES`, kept), or the blocks of torch operations bounded above.
    """

    def __init__(self, packed: PackedPostings, n_items: int, device: str) -> None:
        """Copy the lists to the device.

        Raises
        ------
        ValueError
            The lists are of another catalogue than one of ``n_items`` items.
        """
        if packed.items.size != n_items:
            raise ValueError(f"lists of {packed.items.size} items for a catalogue of {n_items}")
        self.postings = DevicePostings.of(packed, device)
        self.triton = TritonMerge(self.postings) if TritonMerge.serves(self.postings) else None

    @property
    def nbytes(self) -> int:
        """Return the bytes of the lists and the kept rows of sums on the device."""
        return self.postings.nbytes + (0 if self.triton is None else self.triton.nbytes)

    def merge(
        self,
        lists: IntArray,
        weights: FloatArray | None,
        hidden: Lists,
        k: int,
        mark: Mark = no_mark,
        *,
        cut: int | None = None,
    ) -> tuple[TopK, int, int]:
        """Return the k best items of each query, the postings read and the candidates met.

        A candidate is an item whose sum is above zero, hidden or not. Ties go to the smaller id.
        ``mark`` is told where `transfer` and `scoring` end; the best are part of the latter.

        Parameters
        ----------
        lists : int64 (n, L), the lists of each query, -1 for none.
        weights : float32 (n, L), not negative, or None where all are 1. A weight is rounded to 15
            bits after the point, w, and a posting counts ``(impact * w + 2^14) >> 15``.
        hidden : n lists of items that may not be returned.
        cut : postings of each list to read at most, those of the largest impact; None reads all.
        """
        batch = self.place(lists, weights, hidden, cut=cut)
        mark("transfer")
        found = self.merge_placed(batch, k)
        mark("scoring")
        best = to_host(found)
        counts = int(found.n_postings), int(found.n_candidates)
        mark("transfer")
        return best, *counts

    def place(
        self,
        lists: IntArray,
        weights: FloatArray | None,
        hidden: Lists,
        *,
        cut: int | None = None,
    ) -> Batch:
        """Return the queries on the device, for `merge_placed`; the arguments are `merge`'s."""
        return place_batch(self.postings, lists, weights, hidden, cut)

    def merge_placed(self, batch: Batch, k: int, way: Way | None = None) -> Found:
        """Return the k best items of queries on the device; nothing of size leaves it.

        ``way`` names how; None chooses by `way`.
        """
        chosen = way or self.way(batch, k)
        if chosen in ("triton_rows", "triton_sort"):
            assert self.triton is not None, "only chosen, or asked for, where it serves"
            return self.triton.merge(batch, k, sort=chosen == "triton_sort")
        merge = merge_by_scatter if chosen == "scatter" else merge_by_sort
        size = self.postings.n_items if chosen == "scatter" else max(batch.most, k)
        block = BLOCK_SUMS if chosen == "scatter" else BLOCK_POSTINGS
        step, n = max(1, block // max(1, size)), len(batch.lists)
        if n <= step:
            return merge(self.postings, batch, k)
        parts = [
            merge(self.postings, batch.rows(first, min(first + step, n)), k)
            for first in range(0, n, step)
        ]
        return Found(
            torch.cat([one.ids for one in parts]),
            torch.cat([one.scores for one in parts]),
            torch.stack([one.n_postings for one in parts]).sum(),
            torch.stack([one.n_candidates for one in parts]).sum(),
        )

    def can(self, way: Way, batch: Batch, k: int) -> bool:
        """Return whether a batch can be merged in this way on this device."""
        if way in ("scatter", "sort"):
            return True
        return self.triton is not None and self.triton.fits(batch, k, sort=way == "triton_sort")

    def way(self, batch: Batch, k: int) -> Way:
        """Return how a batch is merged.

        By Triton wherever it can be, with rows unless the catalogue is so large that few programs
        would get one. Of the torch operations, a dense row costs a fixed number of passes over
        n_items, and sorting some passes over the postings; `SORT_COST` is the ratio. It and
        `FEW_ROWS` are estimates from bytes moved, not measured; they change the time, no result.
        """
        with_rows, sorting = (self.can(one, batch, k) for one in ("triton_rows", "triton_sort"))
        if self.triton is not None and sorting:
            few = FEW_ROWS * self.triton.programs_with_row < min(
                self.triton.programs, len(batch.lists)
            )
            return "triton_sort" if few else "triton_rows"
        if with_rows:
            return "triton_rows"
        return "sort" if SORT_COST * batch.most < self.postings.n_items else "scatter"


def to_host(found: Found) -> TopK:
    """Return ids and scores on the host; from a GPU through page-locked memory, one wait for both.

    Torch keeps page-locked memory for the next call, so only the first pays for locking it.
    """
    if not found.ids.is_cuda:
        return TopK(found.ids.numpy(), found.scores.numpy())
    ids, scores = (
        torch.empty(one.shape, dtype=one.dtype, pin_memory=True).copy_(one, non_blocking=True)
        for one in (found.ids, found.scores)
    )
    torch.cuda.current_stream(found.ids.device).synchronize()
    return TopK(ids.numpy(), scores.numpy())

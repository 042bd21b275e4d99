"""Launches the Triton kernels: which fit a batch, how wide, and the memory that they keep.

Triton comes with torch for CUDA; without it `AVAILABLE` is False and torch operations serve.
"""

import torch

from methods.sparcode.serving import triton_kernels
from methods.sparcode.serving.packed_batch import Batch, DevicePostings, Found

AVAILABLE = triton_kernels.AVAILABLE
MOST_POSTINGS = 1 << 14  # of one query: 16 to a thread of the largest program
MOST_SORTED = 1 << 12  # likewise where they are sorted: wider ones take minutes to compile
MOST_BEST = 1 << 11  # k
SCRATCH_BYTES = 1 << 31  # rows of sums held at once, unless the device is small
PROGRAMS = 8  # at most, to a multiprocessor
LEAST_WIDTH, LEAST_BEST = 512, 128  # below these, one compiled kernel serves all


def power_of_two(at_least: int) -> int:
    """Return the smallest power of two that is not below.

    >>> [power_of_two(n) for n in (1, 2, 3, 512, 513)]
    [1, 2, 4, 512, 1024]
    """
    return 1 << max(0, at_least - 1).bit_length()


class TritonMerge:
    """The kernels of `triton_kernels` over lists on a device.

    The rows of sums stay on the device, all zero between calls; two calls at a time must not share
    them.

    Attributes
    ----------
    programs : programs that run at once at most.
    programs_with_row : likewise where each has a row of 4 bytes an item, of `SCRATCH_BYTES` in all.
    width_of_warp : postings to a warp; a program has as many warps as its width needs, 4 to 32.
    """

    width_of_warp = 256

    def __init__(self, postings: DevicePostings) -> None:
        """Take lists on a device; rows are made by the first call that needs them.

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
        self.programs = PROGRAMS * facts.multi_processor_count
        self.programs_with_row = max(1, min(self.programs, room // (4 * postings.n_items)))
        self._rows = torch.zeros(0, dtype=torch.int32, device=postings.starts.device)

    @staticmethod
    def serves(postings: DevicePostings) -> bool:
        """Return whether the kernels can merge these lists at all."""
        return AVAILABLE and postings.entries.is_cuda and postings.entries.numel() < 2**31

    @staticmethod
    def fits(batch: Batch, k: int, *, sort: bool) -> bool:
        """Return whether a kernel can merge these queries: neither too many nor a huge k."""
        if sort and not batch.at_most_one:
            return False
        return batch.most <= (MOST_SORTED if sort else MOST_POSTINGS) and k <= MOST_BEST

    @property
    def nbytes(self) -> int:
        """Return the bytes of the rows of sums held at present."""
        return self._rows.numel() * self._rows.element_size()

    def merge(self, batch: Batch, k: int, *, sort: bool) -> Found:
        """Return the k best items of each query; the batch satisfies `fits`."""
        postings, n = self._postings, len(batch.lists)
        device, n_items = postings.starts.device, postings.n_items
        programs = max(1, min(self.programs if sort else self.programs_with_row, n))
        if not sort and self._rows.numel() < programs * n_items:
            self._rows = torch.zeros(programs * n_items, dtype=torch.int32, device=device)
        width = max(LEAST_WIDTH, power_of_two(batch.most))
        best = max(LEAST_BEST, power_of_two(k))
        warps = min(32, max(4, width // self.width_of_warp))
        ids = torch.empty((n, k), dtype=torch.int64, device=device)
        scores = torch.empty((n, k), dtype=torch.float32, device=device)
        counts = torch.empty((n, 2), dtype=torch.int64, device=device)
        bits, id_bits = postings.impact_bits, n_items.bit_length()
        kernel = triton_kernels.merge_by_sort if sort else triton_kernels.merge_by_rows
        with torch.cuda.device(device):
            kernel[(programs,)](
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

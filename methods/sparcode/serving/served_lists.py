"""ServedLists: packed posting lists where they are merged, on the CPU or a device."""

from pathlib import Path
from typing import Any

import numpy as np

from harness.lists import FloatArray, IntArray, Lists
from harness.stages import Mark
from harness.topk import TopK
from methods.sparcode.index.lists_file import PackedFile, write_lists
from methods.sparcode.serving.cost_model import CostModel
from methods.sparcode.serving.device_merger import DeviceMerger
from methods.sparcode.serving.packed_merge import PackedMerger


class ServedLists:
    """The lists of a catalogue, ready to be merged.

    Attributes
    ----------
    packed : the lists.
    merger : `PackedMerger` on the CPU, else `DeviceMerger`.
    """

    def __init__(self, file: PackedFile, n_items: int, device: str) -> None:
        """Take what `methods.sparcode.index.packed.pack` made, or `open_packed` opened."""
        self.packed, self._costs, self._unread = file
        self._n_items, self._device = n_items, device
        self.merger: Any
        if device == "cpu":
            known = CostModel.of_facts(self._costs)
            self.merger = PackedMerger(self.packed, n_items, costs=known, unread=self._unread)
            self._costs = self.merger.costs.facts()
        else:
            self._verify()  # they are copied whole
            self.merger = DeviceMerger(self.packed, n_items, device)

    def _verify(self) -> None:
        """Check what has not been read of a large file of lists."""
        if self._unread is not None:
            self._unread.verify()

    def merge(
        self,
        lists: IntArray,
        weights: FloatArray | None,
        hidden: Lists,
        k: int,
        *,
        cut: int | None,
        mark: Mark,
    ) -> tuple[TopK, int, int]:
        """Return the k largest sums, and how many postings and items that took."""
        asked = (lists, weights, hidden, k)
        if self._device == "cpu":
            ids, scores, n_postings, n_candidates = self.merger.merge(*asked, cut=cut)
            mark("scoring")
            return TopK(ids, scores), n_postings, n_candidates
        found, n_postings, n_candidates = self.merger.merge(*asked, mark, cut=cut)
        return found, n_postings, n_candidates

    def write(self, path: Path) -> None:
        """Write the lists into a file that is opened in place."""
        self._verify()  # what was altered must not be written with a checksum that fits
        write_lists(path, self.packed, self._costs)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the lists where they are merged, and of what a query adds up in."""
        if self._device == "cpu":
            return self.packed.nbytes + self._n_items * np.uint16().nbytes
        return int(self.merger.nbytes)

    def facts(self) -> dict[str, float]:
        """Return how many postings there are, how they spread over lists, and their bytes."""
        packed, lengths = self.packed, self.packed.lengths
        postings = int(lengths.sum())
        return {
            "lists": lengths.size,
            "postings": postings,
            "mean_list": float(lengths.mean()) if lengths.size else 0.0,
            "longest_list": int(lengths.max(initial=0)),
            "density": postings / max(1, lengths.size * self._n_items),
            "lists_bytes": packed.nbytes,
            "bytes_a_posting": packed.entries.nbytes / max(1, postings),
            "lists_bytes_an_item": packed.nbytes / self._n_items,
            "impact_bits": packed.impact_bits,
        }

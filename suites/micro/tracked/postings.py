"""SparCode's posting lists: merging, packing, writing and opening, and what packing loses."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from methods.sparcode.index.lists_file import FILE, open_packed, write_lists
from methods.sparcode.index.packed import pack
from methods.sparcode.serving.cost_model import NEVER_DENSE
from methods.sparcode.serving.packed_merge import PackedMerger

from .drawn import LENGTH, N_ITEMS, N_LISTS, WIDTH, make_postings, make_queries, popularity

K = 100


class Merge:
    """8 lists of 256 postings, 50,000 items, top 100."""

    def setup(self):
        packed = pack(make_postings(), popularity(), WIDTH)
        self.merger = PackedMerger(packed, N_ITEMS, costs=NEVER_DENSE)
        self.lists, self.hidden = make_queries(200)
        self.single, self.nothing = make_queries(1)

    def time_many(self):
        self.merger.merge(self.lists, None, self.hidden, K)

    def time_single(self):
        self.merger.merge(self.single, None, self.nothing, K)

    def track_miss(self):
        """Return 1 - the share of the exact top 100 that the packed lists give."""
        postings = make_postings()
        ids = self.merger.merge(self.lists, None, self.hidden, K)[0]
        items = postings.items.reshape(N_LISTS, LENGTH)
        scores = postings.scores.reshape(N_LISTS, LENGTH).astype(np.float64)
        found = 0
        for row, lists in enumerate(self.lists):
            sums = np.zeros(N_ITEMS)
            np.add.at(sums, items[lists].ravel(), scores[lists].ravel())
            bar = np.partition(sums, N_ITEMS - K)[N_ITEMS - K]
            found += np.count_nonzero(sums[ids[row]] >= bar)
        return 1 - found / ids.size

    track_miss.unit = "share"


class Pack:
    """262,144 postings."""

    def setup(self):
        self.postings, self.popularity = make_postings(), popularity()

    def time_pack(self):
        pack(self.postings, self.popularity, WIDTH)

    def peakmem_pack(self):
        pack(self.postings, self.popularity, WIDTH)

    def track_bytes(self):
        return pack(self.postings, self.popularity, WIDTH).nbytes

    track_bytes.unit = "bytes"


class File:
    """The same lists on disk."""

    def setup(self):
        self.folder = Path(tempfile.mkdtemp())
        self.packed = pack(make_postings(), popularity(), WIDTH)
        write_lists(self.folder / FILE, self.packed)

    def teardown(self):
        shutil.rmtree(self.folder)

    def time_open(self):
        open_packed(self.folder / FILE)

    def time_write(self):
        write_lists(self.folder / "written", self.packed)

    def peakmem_open(self):
        open_packed(self.folder / FILE)

    def track_bytes(self):
        return (self.folder / FILE).stat().st_size

    track_bytes.unit = "bytes"

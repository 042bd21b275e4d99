"""Posting lists of codewords over given vectors: the best items of each."""

import numpy as np

from methods.sparcode.index.code_postings import best_postings, nearest_codes


class Build:
    """256 codewords, 4,000 vectors of 64 numbers, 256 postings a list."""

    def setup(self):
        random = np.random.default_rng(0)
        self.codewords = random.standard_normal((256, 64), np.float32)
        self.vectors = random.standard_normal((4_000, 64), np.float32)

    def time_lists(self):
        best_postings(self.codewords, self.vectors, 256, lambda done, total: None)

    def peakmem_lists(self):
        best_postings(self.codewords, self.vectors, 256, lambda done, total: None)

    def time_nearest(self):
        nearest_codes(self.vectors[:1000], self.codewords, 8)

"""The one selection by the tie rule, over dense scores."""

import numpy as np

from harness.topk import select_top_k


class Select:
    """64 rows of 20,000 scores of 4,096 values, so that many tie; top 100."""

    def setup(self):
        random = np.random.default_rng(0)
        self.scores = random.integers(4096, size=(64, 20_000)).astype(np.float32)

    def time_select(self):
        select_top_k(self.scores, 100)

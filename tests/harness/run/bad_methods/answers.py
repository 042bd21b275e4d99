"""Methods whose answers are wrong, differ, come from memory, or fail now and then."""

import time

import numpy as np
from bad_methods.counting import Counting

from harness.topk import TopK


class ReturnsNaN(Counting):
    def search(self, queries, k):
        ids = np.tile(np.arange(k), (len(queries), 1))
        return TopK(ids, np.full(ids.shape, np.nan, np.float32))


class ReturnsTwice(Counting):
    def search(self, queries, k):
        shape = (len(queries), k)
        return TopK(np.zeros(shape, np.int64), np.zeros(shape, np.float32))


class OtherWhenAlone(Counting):
    """Returns other items when asked one query at a time, as a cache or a shortcut might."""

    def search(self, queries, k):
        found = super().search(queries, k)
        if len(queries) > 1:
            return found
        return TopK(found.ids[:, ::-1].copy(), found.scores)


class Remembers(Counting):
    """Works 0.3 ms for a query alone, unless it was asked the same before."""

    def fit(self, train, validation=None):
        super().fit(train, validation)
        self.known = {}

    def search(self, queries, k):
        if len(queries) > 1:
            return super().search(queries, k)
        user = int(queries.user_ids[0])
        if user not in self.known:
            end = time.perf_counter() + 0.0003
            while time.perf_counter() < end:
                pass
            self.known[user] = super().search(queries, k)
        return self.known[user]


class RaisesNowAndThen(Counting):
    """Has no answer to one query in fifty that come alone."""

    n_asked = 0

    def search(self, queries, k):
        self.n_asked += len(queries) == 1
        if len(queries) == 1 and self.n_asked % 50 == 0:
            raise ValueError("no answer")
        return super().search(queries, k)

"""How long metrics take: 20,000 queries x top 100, 10 to 30 relevant items, 16 values a query."""

from functools import cache

import numpy as np

from harness.lists import Lists
from harness.metrics.evaluate import evaluate
from harness.metrics.hits import find_hits
from harness.metrics.metric import parse_metric
from harness.stats import bootstrap_interval

N_ITEMS = 40_000
WIDTH = 100
N_QUERIES = 20_000
METRICS = [f"{name}@{k}" for name in ("recall", "ndcg", "mrr", "map") for k in (10, 20, 50, 100)]


@cache
def make_run(n_queries, seed=0):
    """Return ids int64 (n_queries, 100) and 10 to 30 relevant items each, three in ten found.

    Ids of a list are distinct: a random start and a step that no row wraps around with.
    """
    random = np.random.default_rng(seed)
    starts = random.integers(0, N_ITEMS, (n_queries, 1))
    steps = random.integers(1, N_ITEMS // WIDTH, (n_queries, 1))
    ranks = random.permuted(np.tile(np.arange(WIDTH), (n_queries, 1)), axis=1)
    ids = (starts + steps * ranks) % N_ITEMS
    lengths = random.integers(10, 31, n_queries)
    indptr = np.concatenate(([0], np.cumsum(lengths)))
    rows = np.repeat(np.arange(n_queries), lengths)
    within = np.arange(rows.size) - np.repeat(indptr[:-1], lengths)
    found = random.random(rows.size) < 0.3
    # the places WIDTH and up of the same walk are in no list, and distinct while steps are small
    places = np.where(found, within, WIDTH + within)
    relevant = (starts[rows, 0] + steps[rows, 0] * places) % N_ITEMS
    return ids, Lists(indptr.astype(np.int64), relevant)


class Evaluate:
    """All 16 metrics and by part."""

    timeout = 300

    def setup(self):
        self.ids, self.relevant = make_run(N_QUERIES)
        self.metrics = [parse_metric(name) for name in METRICS]
        evaluate(self.metrics, self.ids[:10], self.relevant.take(np.arange(10)), N_ITEMS)

    def time_sixteen_metrics(self):
        evaluate(self.metrics, self.ids, self.relevant, N_ITEMS)

    def time_find_hits(self):
        find_hits(self.ids, self.relevant, N_ITEMS)

    def time_ndcg_at_100(self):
        evaluate(self.metrics[7:8], self.ids, self.relevant, N_ITEMS)


class Bootstrap:
    """The interval of a mean over 3,000 queries, 1,000 resamples."""

    def setup(self):
        self.values = np.random.default_rng(0).random(3_000)

    def time_interval(self):
        bootstrap_interval(self.values, seed=0)

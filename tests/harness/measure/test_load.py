"""Loads measure what passed, on a clock that the searched method itself moves."""

import gc

import numpy as np
import pytest

from harness.interactions import Queries
from harness.lists import Lists
from harness.measure.load import LoadSpec, run_load
from harness.topk import TopK


class FakeService:
    """A search that takes 1 s a query plus 0.5 s a call on a clock of its own."""

    def __init__(self, per_call=None):
        self.now = 0.0
        self.calls = []
        self.collecting = []
        self.per_call = per_call or (lambda _: 0.5)

    def clock(self):
        return self.now

    def search(self, queries, k):
        self.now += len(queries) + self.per_call(len(self.calls))
        self.calls.append(queries.user_ids.tolist())
        self.collecting.append(gc.isenabled())
        ids = np.repeat(queries.user_ids[:, None], k, axis=1)
        return TopK(ids, np.zeros(ids.shape, np.float32))


def queries(n):
    return Queries(np.arange(n), Lists.empty(n), Lists.empty(n))


def test_single_stream_gives_the_latency_of_each_query():
    """Each query waits 1.5 s; 40 of them pass in 60 s; warm-up stands apart."""
    service = FakeService()
    spec = LoadSpec(kind="single_stream")
    timing = run_load(spec, service.search, queries(40), 2, service.clock)
    np.testing.assert_allclose(timing.latencies_s, 1.5)
    assert timing.total_s == pytest.approx(60.0)
    assert timing.qps == pytest.approx(40 / 60)
    assert timing.warm_up_s > 0
    assert timing.answers.ids[:, 0].tolist() == list(range(40))
    assert service.calls[-40:] == [[user] for user in range(40)]


def test_offline_has_a_rate_and_no_latency():
    """Batches of 16, 16, 8: 40 s of work and three calls' overhead."""
    service = FakeService()
    spec = LoadSpec(kind="offline", batch=16)
    timing = run_load(spec, service.search, queries(40), 2, service.clock)
    assert timing.latencies_s is None
    assert timing.total_s == pytest.approx(41.5)
    assert [len(call) for call in service.calls] == [16, 16, 16, 8]  # the first one warms up
    assert timing.answers.ids[:, 0].tolist() == list(range(40))


def test_a_stall_shows_in_one_latency():
    """The 90th timed call stalls for 100 s: one latency holds it, the median does not."""
    n_warm = 20  # one window of 20 queries is already past the limit of warming up
    service = FakeService(lambda call: 100.0 if call == n_warm + 89 else 0.5)
    timing = run_load(LoadSpec(), service.search, queries(100), 1, service.clock)
    assert np.flatnonzero(timing.latencies_s > 50).tolist() == [89]
    assert np.median(timing.latencies_s) == 1.5


def test_garbage_collection_is_off_while_timed_and_restored():
    """A collection in the timed loop would be billed to the method."""
    service = FakeService()
    assert gc.isenabled()
    run_load(LoadSpec(), service.search, queries(40), 1, service.clock)
    assert not any(service.collecting[-40:])
    assert gc.isenabled()


@pytest.mark.parametrize(("name", "value"), [("queries", -1), ("batch", 0)])
def test_senseless_loads_are_refused(name, value):
    """A negative sample and an empty batch say what is expected."""
    with pytest.raises(ValueError, match=f"{name} = {value} must be"):
        LoadSpec(**{name: value})

"""Device-resident loads: copies are not timed, and answers are checked all the same."""

import numpy as np
import pytest

from harness.interactions import Queries
from harness.lists import Lists
from harness.measure.clock import Clock
from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.profile import Profile
from harness.measure.timing import Conditions
from harness.topk import TopK

ONCE = Profile(min_s=0.0, min_queries=1, top_percentile=50, repeats=1, warm_up_s=0.0)


class FakeDevice:
    """A search of 1 s a query between copies of 100 s; what lies on the device is a tuple."""

    def __init__(self):
        self.now_ns = 0
        self.clock = Clock(now_ns=lambda: self.now_ns)

    def spend(self, seconds):
        self.now_ns += round(seconds * 1e9)

    def to_device(self, queries):
        self.spend(100)
        return ("placed", queries.user_ids)

    def search_resident(self, placed, k):
        word, users = placed
        assert word == "placed"
        self.spend(len(users))
        return ("found", users, k)

    def to_host(self, found):
        word, users, k = found
        assert word == "found"
        self.spend(100)
        ids = np.repeat(users[:, None], k, axis=1)
        return TopK(ids, np.zeros(ids.shape, np.float32))


def timing_of(device, seen, **load):
    spec = LoadSpec(resident=True, queries=0, **load)
    users = np.arange(40)
    conditions = Conditions(
        profile=ONCE,
        check=lambda rows, answers: seen.extend(zip(rows, answers.ids[:, 0], strict=True)),
        prepare=device.to_device,
        finish=device.to_host,
    )
    queries = Queries(users, Lists.empty(40), Lists.empty(40))
    return run_load(spec, device.search_resident, queries, 2, device.clock, conditions)


@pytest.mark.parametrize(
    "load", [{"kind": "single_stream"}, {"kind": "batch", "batch": 8}, {"kind": "offline"}]
)
def test_copies_are_not_timed(load):
    """One query a second, whatever the copies take; every answer is fetched and checked."""
    seen = []
    timing = timing_of(FakeDevice(), seen, **load)
    assert timing.qps == pytest.approx(1.0)
    assert sorted(row for row, _ in seen) == list(range(40))
    assert all(row == user for row, user in seen)


def test_an_answer_that_cannot_be_fetched_is_an_error():
    """It is counted as one that the search raised, and named."""
    device, seen = FakeDevice(), []

    def broken(found):
        raise RuntimeError("lost on the way")

    device.to_host = broken
    timing = timing_of(device, seen, kind="single_stream")
    assert (timing.n_errors, seen) == (40, [])
    assert timing.first_error == "RuntimeError: lost on the way"


def test_a_server_cannot_be_asked():
    """Queries that arrive come from somewhere: they are not on the device before."""
    with pytest.raises(ValueError, match="resident = true must not stand with kind = 'server'"):
        LoadSpec(kind="server", rate=10.0, resident=True)

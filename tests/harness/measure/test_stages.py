"""Stages are found exactly, and held against a total that nobody listened to."""

from types import MappingProxyType

import numpy as np
import pytest

from harness.interactions import Queries
from harness.lists import Lists
from harness.measure.clock import clock_for
from harness.measure.stages import CALLS_AT_ONCE, TIME_LIMIT_S, StageTimes, time_stages
from harness.retriever import Retriever
from harness.stages import no_mark
from harness.topk import TopK


class FakeClock:
    """Stands still but for what is spent."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def spend(self, seconds):
        self.now += seconds


class Burns(Retriever):
    """Spends a known time a query in each stage, and some in none."""

    search_stages = ("encode", "candidates", "scoring", "top_k")
    seconds = MappingProxyType(
        {"encode": 0.001, "candidates": 0.002, "scoring": 0.004, "top_k": 0.001}
    )
    outside = 0.0
    drift = 0.0  # by which every call takes longer than the one before

    def __init__(self, clock):
        super().__init__()
        self.clock, self.n_calls, self.listened = clock, 0, []

    def fit(self, train, validation=None):
        pass

    def search(self, queries, k):
        self.n_calls += 1
        self.listened.append(self.mark is not no_mark)
        slower = 1 + self.drift * self.n_calls
        for stage, seconds in self.seconds.items():
            self.clock.spend(seconds * len(queries) * slower)
            self.mark(stage)
        self.clock.spend(self.outside * len(queries))
        return TopK(np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k), np.float32))


def queries(n):
    return Queries(np.arange(n), Lists.empty(n), Lists.empty(n))


def timed(n=50, batch=1, **changes):
    clock = FakeClock()
    method = Burns(clock)
    for name, value in changes.items():
        setattr(method, name, value)
    return time_stages(method, queries(n), 3, clock, batch=batch), method


@pytest.mark.parametrize("batch", [1, 16])
def test_a_known_share_in_each_stage_is_found(batch):
    """1, 2, 4 and 1 ms a query, in calls of one or of many (the last is smaller): 8 in all."""
    times, method = timed(batch=batch)
    assert times.stages_s == pytest.approx(Burns.seconds)
    assert list(times.stages_s) == list(Burns.search_stages)
    assert times.total_s == pytest.approx(0.008)
    assert times.gap == pytest.approx(0)
    assert times.warnings == ()
    assert times.n_queries == 50
    assert method.mark is no_mark


def test_time_outside_of_stages_shows():
    """8 ms of 10 are marked: the stages are 80 % of the total, which is warned of."""
    times, _ = timed(outside=0.002)
    assert times.gap == pytest.approx(-0.2)
    assert times.warnings == ("stages add up to 80% of the total",)


def test_a_listener_that_costs_shows():
    """A method that works more when listened to: 8 ms in stages, 4 ms without a listener."""

    class Doubles(Burns):
        def search(self, queries, k):
            listens = self.mark is not no_mark
            self.seconds = {name: s * (1 if listens else 0.5) for name, s in Burns.seconds.items()}
            return super().search(queries, k)

    clock = FakeClock()
    times = time_stages(Doubles(clock), queries(16), 3, clock)
    assert times.gap == pytest.approx(1.0)
    assert times.warnings == ("stages add up to 200% of the total",)


def test_drift_cancels():
    """Each call is 1 % slower than the one before; the passes alternate, so the gap stays small.

    One pass after the other would differ by a third: 64 calls at 1 % each are 64 % of drift.
    """
    times, method = timed(n=64, drift=0.01)
    assert abs(times.gap) < 0.01
    blocks = method.listened[1::CALLS_AT_ONCE]  # the first call only warms
    assert blocks[:8] == [False, True, True, False, False, True, True, False]


def test_slow_queries_are_not_all_sent():
    """After the time limit no new pair of blocks begins; what was sent is averaged."""
    times, _ = timed(n=800, seconds={"scoring": TIME_LIMIT_S / 10})
    assert times.n_queries == CALLS_AT_ONCE  # one pair of blocks takes longer than the limit
    assert times.stages_s == pytest.approx({"scoring": TIME_LIMIT_S / 10})


def test_a_method_without_stages_is_not_asked():
    """Nothing is declared: nothing is sent, nothing is found."""
    times, method = timed(search_stages=())
    assert (times, times.gap, method.n_calls) == (StageTimes(), None, 0)


def test_an_error_leaves_nobody_listening():
    """Whatever the method raises, its marks are nobody's afterwards."""

    class Raises(Burns):
        def search(self, queries, k):
            if self.n_calls == CALLS_AT_ONCE + 3:
                raise RuntimeError("no more")
            return super().search(queries, k)

    clock = FakeClock()
    method = Raises(clock)
    with pytest.raises(RuntimeError, match="no more"):
        time_stages(method, queries(50), 3, clock)
    assert method.mark is no_mark


def test_on_a_device_each_mark_waits(monkeypatch):
    """The clock of a CUDA device synchronises; it is read at every mark, begin and total."""
    waits = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda *_: waits.append(1))
    method = Burns(FakeClock())
    time_stages(method, queries(8), 3, clock_for("cuda"))
    begins, marks, ends, limit = 8, 8 * 4, 2 * 2, 2
    assert len(waits) == begins + marks + ends + limit

"""The clock is monotonic, waits for the device, and returns from a wait on time."""

import itertools
import time

import pytest

from harness.measure.clock import READINGS, SPIN_NS, Clock, clock_for


class Source:
    """Time that passes by 50 microseconds a reading, and by what is slept, plus oversleeping."""

    def __init__(self, oversleep_ns=0):
        self.ns, self.oversleep_ns, self.slept = 0, oversleep_ns, []

    def now_ns(self):
        self.ns += 50_000
        return self.ns

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.ns += round(seconds * 1e9) + self.oversleep_ns


def test_a_wait_sleeps_short_of_its_moment_and_then_looks():
    """10 ms ahead: asleep for 8.95 ms, the last millisecond awake; late by one reading at most."""
    source = Source()
    Clock(now_ns=source.now_ns, sleep=source.sleep).wait_until_ns(10_000_000)
    assert source.slept == [pytest.approx((10_000_000 - 50_000 - SPIN_NS) * 1e-9)]
    assert 10_000_000 <= source.ns <= 10_050_000


def test_a_moment_that_has_passed_is_not_waited_for():
    """A late server catches up at once."""
    source = Source()
    source.ns = 20_000_000
    Clock(now_ns=source.now_ns, sleep=source.sleep).wait_until_ns(10_000_000)
    assert source.slept == []
    assert source.ns <= 20_100_000


def test_the_step_is_the_smallest_difference():
    """Readings that repeat themselves are no step; a clock that stands has none."""
    readings = itertools.chain([0, 0, 70, 100, 100, 300], itertools.repeat(300))
    assert Clock(now_ns=lambda: next(readings)).step_s() == pytest.approx(30e-9)
    assert Clock(now_ns=lambda: 5).step_s() == 0.0
    assert READINGS >= 100


def test_a_device_is_awaited_before_each_reading():
    """The reading comes after the device is done; the wait for a moment does not ask it."""
    asked = []

    def synchronise():
        asked.append(1)

    source = Source()
    clock = Clock(synchronise, now_ns=source.now_ns, sleep=source.sleep)
    clock.now_ns(), clock()
    assert len(asked) == 2
    clock.wait_until_ns(5_000_000)
    assert len(asked) == 2


def test_the_host_is_read_without_a_call_around():
    """What is timed on the CPU is not made to pay for a device."""
    assert clock_for("cpu").now_ns is time.perf_counter_ns
    assert clock_for("cuda").now_ns is not time.perf_counter_ns


def test_a_real_wait_is_kept():
    """20 ms on the real clock: never early, seldom late; the best of five is within 1 ms."""
    late = []
    clock = clock_for("cpu")
    for _ in range(5):
        at_ns = clock.now_ns() + 20_000_000
        clock.wait_until_ns(at_ns)
        late.append(clock.now_ns() - at_ns)
    assert min(late) >= 0
    assert min(late) < 1_000_000

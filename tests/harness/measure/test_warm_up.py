"""Warm-up lasts until times settle; the cold start before it is a number of its own."""

import pytest

from harness.measure.cold import N_COLD, measure_cold
from harness.measure.sending import Inbox
from harness.measure.warm_up import LIMIT_S, warm_up


@pytest.fixture
def warmed(service, queries):
    """Return what warms a service up with 30 single queries, or calls of another size."""

    def run(seconds, least_s=0.0, size=1):
        one = service(seconds)
        calls = [queries(size, start=size * number) for number in range(30)]
        return warm_up(one.target(1), calls, Inbox(3), least_s, size=size), one

    return run


def test_it_ends_when_two_windows_take_the_same(warmed):
    """Constant times: two windows of 20 calls."""
    warm, one = warmed(0.001)
    assert warm.settled
    assert len(one.calls) == 40
    assert warm.seconds == pytest.approx(0.04)


def test_it_waits_for_slow_beginnings_to_pass(warmed):
    """The first 50 calls are slow: calls 41-60 and 61-80 differ, 61-80 and 81-100 agree."""
    warm, one = warmed(lambda number, users: 0.010 if number < 50 else 0.001, least_s=0.41)
    assert warm.settled
    assert len(one.calls) == 100


def test_it_lasts_at_least_as_long_as_asked(warmed):
    """Settled after 40 ms, but a second was asked for."""
    warm, _ = warmed(0.001, least_s=1.0)
    assert warm.settled
    assert 1.0 <= warm.seconds < 1.1


def test_it_gives_up_where_times_do_not_settle(warmed):
    """Every window is 20 % longer than the one before."""
    warm, _ = warmed(lambda number, users: 0.001 * 1.2 ** (number // 20))
    assert not warm.settled
    assert LIMIT_S < warm.seconds < 2 * LIMIT_S


def test_large_calls_are_windows_of_their_own(warmed):
    """Calls of 32 queries hold a window each: two calls do."""
    _, one = warmed(0.05, size=32)
    assert [len(call) for call in one.calls] == [32, 32]


def test_the_cold_start_is_the_first_query_and_the_first_hundred(service):
    """The first takes 1 s, each of the rest 10 ms: 1 s and 1.99 s."""
    one = service(lambda number, users: 1.0 if number == 0 else 0.01)
    cold = measure_cold(one.target(150), Inbox(3))
    assert cold.first_s == pytest.approx(1.0)
    assert cold.first_100_s == pytest.approx(1.99)
    assert one.calls == [[user] for user in range(N_COLD)]


def test_fewer_than_a_hundred_have_no_sum(service):
    """With 99 queries there is no first hundred."""
    cold = measure_cold(service(0.01).target(99), Inbox(3))
    assert (cold.first_s, cold.first_100_s) == (pytest.approx(0.01), None)


def test_errors_of_a_cold_start_are_counted(service):
    """A method that fails at first is told."""

    def answer(number, users, found):
        if number < 2:
            raise RuntimeError("not yet")
        return found

    inbox = Inbox(3)
    measure_cold(service(0.01, answer=answer).target(10), inbox)
    assert (inbox.n_errors, inbox.first_error) == (2, "RuntimeError: not yet")

"""Loads measure what passed, on a clock that the searched method itself moves."""

import gc
import time

import numpy as np
import pytest

from harness.measure import closed_loop
from harness.measure.clock import Clock
from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.profile import PROFILES, SMOKE, Profile
from harness.measure.timing import Conditions
from harness.stats import percentile_or_none
from harness.topk import TopK

SINGLE = LoadSpec("single_stream")


def profile(min_queries, min_s=0.0):
    return Profile(
        min_s=min_s, min_queries=min_queries, top_percentile=99, repeats=1, warm_up_s=0.0
    )


@pytest.fixture
def timed(service, clock, queries):
    """Return what runs a load; calls of warming up use users from 1,000,000 on."""

    def run(spec, one, n, least=1, k=3, **conditions):
        conditions.setdefault("profile", profile(least))
        conditions.setdefault("spare", queries(60, start=1_000_000))
        return run_load(spec, one.search, queries(n), k, clock, Conditions(**conditions))

    return run


def timed_calls(one):
    return [call for call in one.calls if call[0] < 1_000_000]


def test_known_times_are_found_exactly(service, timed):
    """Each of 1,000 queries takes its own random time: mean, p50, p95 and p99 come out as drawn."""
    drawn = np.round(np.random.default_rng(3).lognormal(-7, 1, 1000), 9)
    one = service(lambda number, users: drawn[users % 1000].sum())
    timing = timed(SINGLE, one, 1000)
    np.testing.assert_allclose(timing.latencies_s, drawn[timing.rows], rtol=0, atol=1e-12)
    ordered = np.sort(drawn)
    for percent in (50, 95, 99):  # of 1,000 samples the 500th, 950th and 990th smallest
        found = percentile_or_none(timing.latencies_s, percent)
        assert found == pytest.approx(ordered[percent * 10 - 1], abs=1e-12)
    assert timing.total_s == pytest.approx(drawn.sum())
    assert timing.qps == pytest.approx(1000 / drawn.sum())
    assert timing.calls_s is None


def test_every_round_sends_each_query_once_in_another_order(service, timed):
    """40 queries make rounds of 40; the same seed gives the same order, another seed another."""
    one = service(0.001)
    timing = timed(SINGLE, one, 40, least=100)
    assert timing.n_timed == 120
    rounds = timing.rows.reshape(3, 40)
    assert [sorted(one) for one in rounds.tolist()] == [list(range(40))] * 3
    assert rounds[0].tolist() != rounds[1].tolist()
    assert timing_rows(timed, service, 0) == timing.rows.tolist()
    assert timing_rows(timed, service, 1) != timing.rows.tolist()
    assert np.concatenate(timed_calls(one)).tolist() == timing.rows.tolist()


def timing_rows(timed, service, seed):
    return timed(SINGLE, service(0.001), 40, least=100, seed=seed).rows.tolist()


def test_batches_have_the_time_of_each_call_and_no_latency(service, timed):
    """40 queries in calls of 16: two whole calls a round, the rest of the round is not sent."""
    one = service(lambda number, users: 0.5 + len(users))
    timing = timed(LoadSpec("batch", batch=16), one, 40)
    assert timing.latencies_s is None
    np.testing.assert_allclose(timing.calls_s, [16.5, 16.5])
    assert timing.qps == pytest.approx(32 / 33)
    assert {len(call) for call in one.calls} == {16}  # warm-up too


def test_a_batch_larger_than_the_sample_says_so(service, timed):
    """Ten queries make calls of ten, and the row warns."""
    timing = timed(LoadSpec("batch", batch=16), service(0.2), 10)
    assert timing.n_timed == 10
    assert timing.warnings == ("calls hold 10 queries: there are no 16",)


def test_offline_has_a_rate_alone(service, timed):
    """Calls of 16, 16 and 8 queries: 40 s of work and three calls' overhead."""
    one = service(lambda number, users: 0.5 + len(users))
    timing = timed(LoadSpec("offline", batch=16), one, 40)
    assert (timing.latencies_s, timing.calls_s) == (None, None)
    assert [len(call) for call in timed_calls(one)] == [16, 16, 8]
    assert timing.total_s == pytest.approx(41.5)


def test_offline_as_one_call(service, timed):
    """Batch 0: everything at once."""
    one = service(lambda number, users: 0.5 + len(users))
    timing = timed(LoadSpec("offline", batch=0), one, 40)
    assert [len(call) for call in timed_calls(one)] == [40]
    assert timing.total_s == pytest.approx(40.5)


@pytest.mark.parametrize("name", ["smoke", "ci", "publish"])
def test_a_pass_holds_what_its_profile_asks_for(service, timed, name):
    """A 2 ms query: at least the seconds and the queries, and not much more than either."""
    asked = PROFILES[name]
    timing = timed(SINGLE, service(0.002), 100, profile=asked)
    assert timing.n_timed >= asked.min_queries
    assert timing.total_s >= asked.min_s
    needed = max(asked.min_queries, asked.min_s / 0.002)
    assert timing.n_timed <= 1.1 * needed + 100  # a round is 100
    assert timing.warm_up_s >= asked.warm_up_s


def test_a_slow_method_is_not_timed_far_beyond_its_minimum(service, timed):
    """A query of 50 ms reaches 10 s with its 200 queries, just: no block of thousands follows."""
    timing = timed(SINGLE, service(0.0499), 10, profile=profile(200, min_s=10.0))
    assert timing.n_timed == 210


def test_answers_are_checked_and_dropped_block_by_block(service, timed):
    """No more than a block of answers is held; every one of them is handed to the check."""
    handed = []
    timing = timed(
        SINGLE,
        service(1e-4),
        64,
        profile=profile(1, min_s=2.0),
        check=lambda rows, found: handed.append((rows, found)),
    )
    assert max(rows.size for rows, _ in handed) <= closed_loop.BLOCK + 64
    assert len(handed) > 2
    rows = np.concatenate([rows for rows, _ in handed])
    assert rows.tolist() == timing.rows.tolist()
    ids = np.concatenate([found.ids[:, 0] for _, found in handed])
    assert (ids == rows % 50).all()


def test_the_check_is_not_timed(service, clock, timed):
    """A check that takes 100 s leaves the times as they were."""
    timing = timed(SINGLE, service(0.01), 20, check=lambda rows, found: clock.pass_s(100))
    assert timing.total_s == pytest.approx(0.2)
    np.testing.assert_allclose(timing.latencies_s, 0.01)


def test_garbage_collection_is_off_while_timed_and_restored(service, timed):
    """A collection in the timed loop would be billed to the method."""
    for spec in (SINGLE, LoadSpec("offline"), LoadSpec("server", rate=100.0)):
        one = service(0.001)
        timed(spec, one, 40)
        assert not any(one.collecting[-40:])
        assert gc.isenabled()


def test_errors_are_counted_and_the_rest_goes_on(service, timed):
    """Every 10th call raises and every 25th answers too few: 13 of 100 queries have no answer."""

    def answer(number, users, found):
        if users[0] % 10 == 3 and users[0] < 100:
            raise ValueError(f"no answer to {users[0]}")
        return TopK(found.ids[:, :2], found.scores[:, :2]) if users[0] in (5, 25, 55) else found

    handed = []
    checked = {"check": lambda rows, found: handed.extend(rows.tolist())}
    timing = timed(SINGLE, service(0.001, answer=answer), 100, **checked)
    assert timing.n_errors == 13
    assert timing.n_timed == 100
    assert timing.n_untimed_errors == 0
    assert "no answer to" in timing.first_error or "expected (1, 3)" in timing.first_error
    wanted = [row for row in range(100) if row % 10 != 3 and row not in (5, 25, 55)]
    assert sorted(handed) == wanted


@pytest.mark.parametrize(
    "spec", [SINGLE, LoadSpec("offline", batch=8), LoadSpec("server", rate=100.0)]
)
def test_out_of_memory_ends_the_trial(service, timed, spec):
    """It is no error of one query: it passes through to become a record of its own."""

    def answer(number, users, found):
        if number == 90:
            raise MemoryError
        return found

    with pytest.raises(MemoryError):
        timed(spec, service(0.02, answer=answer), 2000)


def test_errors_while_warming_up_are_told(service, timed):
    """A method that is broken until it is warm does not get away with it."""

    def answer(number, users, found):
        if number < 3:
            raise RuntimeError("not ready")
        return found

    timing = timed(SINGLE, service(0.01, answer=answer), 20)
    assert (timing.n_errors, timing.n_untimed_errors) == (0, 3)
    assert timing.first_error == "RuntimeError: not ready"


def test_warming_up_leaves_the_timed_queries_alone(service, timed, queries):
    """Only spare queries are sent before the pass; where there are none, the timed ones."""
    one = service(0.01)
    timed(SINGLE, one, 20)
    first = next(number for number, call in enumerate(one.calls) if call[0] < 1_000_000)
    assert first >= 40  # two windows
    assert all(call[0] < 1_000_000 for call in one.calls[first:])
    again = service(0.01)
    timed(SINGLE, again, 20, spare=None)
    assert max(call[0] for call in again.calls) < 20


def test_times_that_do_not_settle_are_a_warning(service, timed):
    """Each query takes 1 % longer than the one before: the pass begins anyway, and says so."""
    timing = timed(SINGLE, service(lambda number, users: 0.001 * 1.01**number), 20)
    assert any("times did not settle within" in one for one in timing.warnings)


def test_unsynchronised_readings_miss_a_devices_work(device_clock, queries):
    """A device takes 10 ms for what the host hands over in 0.1 ms.

    Without waiting, a query seems to take 0.1 ms, 101 times less than it does.
    """
    device = {"ready_ns": 0}

    def synchronise():
        clock.ns = max(clock.ns, device["ready_ns"])

    def search(asked, k):
        clock.pass_s(0.0001)
        device["ready_ns"] = max(device["ready_ns"], clock.ns) + 10_000_000 * len(asked)
        shape = (len(asked), k)
        return TopK(np.zeros(shape, np.int64), np.zeros(shape, np.float32))

    clock = device_clock(synchronise)
    conditions = Conditions(profile=profile(200))
    ours = run_load(SINGLE, search, queries(200), 1, clock, conditions)
    np.testing.assert_allclose(ours.latencies_s, 0.0101)
    batches = run_load(LoadSpec("batch", batch=50), search, queries(200), 1, clock, conditions)
    np.testing.assert_allclose(batches.calls_s, 0.5001)
    offline = run_load(LoadSpec("offline", batch=50), search, queries(200), 1, clock, conditions)
    assert offline.total_s == pytest.approx(2.0001)  # handing over hides behind the work before
    clock.now_ns = lambda: clock.ns  # what a plain clock of the host would read
    wrong = run_load(SINGLE, search, queries(200), 1, clock, conditions)
    factor = np.median(ours.latencies_s) / np.median(wrong.latencies_s)
    assert factor == pytest.approx(101)


def test_mixes_reach_the_timed_queries(service, timed):
    """In zipf with exponent 2 the first of 50 queries is sent about 61 % of the time."""
    timing = timed(LoadSpec(mix="zipf", zipf_exponent=2.0), service(0.001), 50, least=5000)
    share = (timing.rows == 0).mean()
    expected = 1 / (1 / np.arange(1, 51) ** 2.0).sum()
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 5000))


def test_a_real_sleep_is_measured(queries):
    """Sleeps of 2 ms on the real clock: never less, and the median not much more."""

    def search(asked, k):
        time.sleep(0.002 * len(asked))
        shape = (len(asked), k)
        return TopK(np.zeros(shape, np.int64), np.zeros(shape, np.float32))

    timing = run_load(SINGLE, search, queries(200), 1, Clock(), Conditions(profile=SMOKE))
    assert timing.latencies_s.min() >= 0.002
    assert np.median(timing.latencies_s) < 0.004
    assert timing.total_s == pytest.approx(timing.latencies_s.sum())

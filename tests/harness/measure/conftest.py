"""A search on a clock of its own: it takes the time it is told to, and no other time passes."""

import gc

import numpy as np
import pytest

from harness.interactions import Queries
from harness.lists import Lists
from harness.measure.clock import Clock
from harness.measure.sending import Target
from harness.topk import TopK

N_ITEMS = 50


class FakeClock(Clock):
    """Time that passes when it is told to; a wait ends at its moment."""

    def __init__(self, synchronise=None):
        self.ns = 0
        super().__init__(synchronise, now_ns=lambda: self.ns)

    def wait_until_ns(self, at_ns):
        self.ns = max(self.ns, at_ns)

    def pass_s(self, seconds):
        self.ns += round(seconds * 1e9)


class FakeService:
    """A search that takes ``seconds(number of the call, user ids)``.

    User u is offered the items u, u + 1, ...; ``answer`` replaces that: it is called with the
    number of the call, the user ids and the lists, and returns, or raises, something else.
    """

    def __init__(self, clock, seconds, answer=lambda number, users, found: found):
        self.clock, self.seconds, self.answer = clock, seconds, answer
        self.calls = []
        self.collecting = []

    def search(self, queries, k):
        number, users = len(self.calls), queries.user_ids
        self.calls.append(users.tolist())
        self.collecting.append(gc.isenabled())
        self.clock.pass_s(self.seconds(number, users))
        ids = (users[:, None] + np.arange(k)) % N_ITEMS
        scores = np.tile(-np.arange(k, dtype=np.float32), (len(users), 1))
        return self.answer(number, users, TopK(ids, scores))

    def target(self, n, k=3):
        return Target(self.search, make_queries(n), k, self.clock)


def make_queries(n, start=0):
    """Return n queries of the users from ``start`` on, without history."""
    return Queries(np.arange(start, start + n), Lists.empty(n), Lists.empty(n))


@pytest.fixture
def queries():
    """Return the function that makes queries."""
    return make_queries


@pytest.fixture
def clock(young_heap):
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def device_clock(young_heap):
    """Return what makes a clock that waits for a device: called with its synchronisation."""
    return FakeClock


@pytest.fixture
def service(clock):
    """Return what makes a service on ``clock``."""

    def make(seconds=0.001, **options):
        is_number = isinstance(seconds, float)
        return FakeService(
            clock, (lambda number, users: seconds) if is_number else seconds, **options
        )

    return make


@pytest.fixture
def young_heap():
    """Leave what was imported out of collections: a driver walks the heap before each pass."""
    gc.freeze()
    yield
    gc.unfreeze()

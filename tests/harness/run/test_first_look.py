"""What only holds before a method was searched is measured first, on queries that are new to it."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness.interactions import Queries
from harness.lists import Lists
from harness.measure.clock import Clock
from harness.run.first_look import look_first
from harness.topk import TopK

SPEC = SimpleNamespace(memory_limit_bytes=None, k=2, seed=0)


class Method:
    """A search on a clock of its own: 1 s at first, then ``new_s`` or, for known users, 1 ms."""

    def __init__(self, new_s=0.001):
        self.ns, self.new_s, self.known, self.users = 0, new_s, set(), []
        self.clock = Clock(now_ns=lambda: self.ns)

    def search(self, queries, k):
        (user,) = queries.user_ids.tolist()
        seconds = 0.001 if user in self.known else self.new_s
        self.ns += round((seconds if self.users else 1.0) * 1e9)
        self.known.add(user)
        self.users.append(user)
        return TopK(np.zeros((1, k), np.int64), np.zeros((1, k), np.float32))


def look(method, n=300, previous=None, empty_caches=lambda: None):
    queries = Queries(np.arange(n), Lists.empty(n), Lists.empty(n))
    return look_first(SPEC, method, queries, method.clock, previous, empty_caches)


def test_the_cold_start_is_of_the_first_calls_of_all():
    """The first query takes 1 s, the next 99 a millisecond each."""
    found = look(Method())
    assert found.cold.first_s == pytest.approx(1.0)
    assert found.cold.first_100_s == pytest.approx(1.099)


def test_queries_asked_again_were_never_sent_before():
    """Those of the cold start and of warming up are others."""
    method = Method()
    look(method)
    early = set(method.users[:140])
    assert early == set(method.users[:100])  # warming up goes round the cold ones
    assert not early & set(method.users[140:])
    assert method.users[140:146] == [method.users[140]] * 6


def test_a_method_that_remembers_is_found_out_once_and_for_all():
    """Three times as fast when repeated; the next setting, asked the same, shows the worst too."""
    method = Method(new_s=0.003)
    first = look(method)
    assert first.repeats.ratio == first.worst_ratio == pytest.approx(3.0)
    second = look(method, previous=first)
    assert second.cold is None
    assert second.repeats.ratio == pytest.approx(1.0)
    assert second.worst_ratio == pytest.approx(3.0)


def test_few_queries_leave_the_ratio_unknown():
    """Of 12 queries a third is cold, eight are left and half of them tell nothing."""
    found = look(Method(), n=12)
    assert found.cold.first_100_s is None
    assert (found.repeats.ratio, found.worst_ratio) == (None, None)


def test_errors_are_kept_for_the_records():
    """A method that raises at first is told by every record of the setting."""
    method = Method()
    search = method.search

    def failing(queries, k):
        found = search(queries, k)
        if len(method.users) <= 3:
            raise RuntimeError("not ready")
        return found

    method.search = failing
    found = look(method)
    assert (found.n_errors, found.first_error) == (3, "RuntimeError: not ready")

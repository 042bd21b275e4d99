"""CPUs are chosen by a fixed rule, and whoever was moved comes back."""

import os

import pytest

from harness.measure.cpus import choose_cpus, kept_away_from, parse_cpus

# Two cores of two threads each, numbered as Linux does on most machines: 0 and 2 share a core.
PAIRS = {0: (0, 2), 2: (0, 2), 1: (1, 3), 3: (1, 3)}


@pytest.mark.parametrize(
    ("n_cpus", "expected"), [(1, (3,)), (2, (2, 3)), (3, (1, 2, 3)), (4, (0, 1, 2, 3)), (9, None)]
)
def test_one_cpu_of_each_core_comes_first(n_cpus, expected):
    """Two threads get two cores; asked for more than there is, all are given."""
    assert choose_cpus([0, 1, 2, 3], n_cpus, PAIRS) == (expected or (0, 1, 2, 3))


def test_siblings_with_neighbouring_numbers():
    """0 and 1 share a core, as do 2 and 3: two threads get 1 and 3."""
    pairs = {0: (0, 1), 1: (0, 1), 2: (2, 3), 3: (2, 3)}
    assert choose_cpus([0, 1, 2, 3], 2, pairs) == (1, 3)


def test_only_what_is_allowed_is_chosen():
    """A machine shared by affinity gives its share alone."""
    assert choose_cpus([0, 2], 1, PAIRS) == (2,)
    assert choose_cpus([], 1, PAIRS) == ()


def test_lists_of_the_kernel_are_read():
    """Ranges and single numbers, with the newline at the end; nothing is no CPU."""
    assert parse_cpus("0-3,8,10-11\n") == (0, 1, 2, 3, 8, 10, 11)
    assert parse_cpus("\n") == ()


def test_the_run_keeps_away_and_comes_back():
    """Inside it is off the CPU; with no other CPU it stays; afterwards all is as before."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("one CPU is allowed; there is nowhere to go")
    with kept_away_from([max(before)]):
        assert os.sched_getaffinity(0) == before - {max(before)}
    with kept_away_from(sorted(before)):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before

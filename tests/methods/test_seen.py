"""What has been seen is no negative, however it is looked up."""

import numpy as np
import pytest

from harness.lists import Lists
from harness.testing import tiny_log
from methods.negatives import NegativeSampler, Sampling
from methods.seen import Seen, in_rising_order

N_ITEMS = tiny_log().n_items


def lists_of(random, n, longest):
    """Return n lists of items, some empty, some with an item twice."""
    rows = [random.integers(N_ITEMS, size=random.integers(longest + 1)) for _ in range(n)]
    return Lists.of([one.tolist() for one in rows])


@pytest.mark.parametrize("longest", [3, 60])
@pytest.mark.parametrize("m", [1, 7])
@pytest.mark.parametrize("own", [True, False])
def test_pairs_are_those_of_sets(own, m, longest):
    """Copied lists, their stretches, and these rising: the pairs that sets of Python give."""
    random = np.random.default_rng(2)
    lists, rows = lists_of(random, 20, longest), random.integers(20, size=50)
    targets, rising = random.integers(N_ITEMS, size=50), in_rising_order(lists)
    given = {
        "copied": lists.take(rows),
        "stretches": Seen(lists.indptr[rows], lists.indptr[rows + 1], lists.ids),
        "rising": Seen.of_rows(rising, rows),
    }
    for seen in given.values():
        sampler = NegativeSampler(
            tiny_log(), Sampling(m, "uniform", own=own), np.random.default_rng(3)
        )
        drawn = sampler.draw(targets, seen)
        items = drawn.items if own else np.broadcast_to(drawn.items, (50, m))
        expected = {
            (row, column)
            for row in range(50)
            for column in range(m)
            if items[row, column] in {*lists.row(int(rows[row])).tolist(), int(targets[row])}
        }
        found = set(zip(drawn.excluded_rows.tolist(), drawn.excluded_columns.tolist(), strict=True))
        assert found == expected
        assert (np.diff(drawn.excluded_rows) >= 0).all()


def test_rising_order_keeps_each_list():
    """Its ids, sorted; the given lists stay as they were."""
    lists = Lists.of([[3, 1, 2], [], [5, 5, 0]])
    assert [in_rising_order(lists).row(r).tolist() for r in range(3)] == [[1, 2, 3], [], [0, 5, 5]]
    assert lists.row(0).tolist() == [3, 1, 2]


def test_rows_are_views():
    """Nothing is copied."""
    lists = in_rising_order(Lists.of([[3, 1], [2]]))
    seen = Seen.of_rows(lists, np.array([1, 0]))
    assert (len(seen), seen.row(1).tolist()) == (2, [1, 3])
    assert np.shares_memory(seen.row(1), lists.ids)

"""Segments: quality by the thirds of what is known of the queries."""

from dataclasses import replace

import numpy as np
import pytest

from harness.compare.points import points_of
from harness.compare.quality import Reader
from harness.compare.segments import segments_of, thirds
from harness.query_values import QueryValues

HISTORY = np.repeat([2.0, 5.0, 9.0], [100, 100, 100])


def with_facts(run, facts):
    def read(record, inner=run.read):
        values = inner(record)
        return QueryValues(values.user_ids, values.metrics, facts)

    return replace(run, read=read)


def test_a_planted_gain_of_long_histories_is_found(run_of):
    """0.1, 0.2, 0.6 in groups of 100 queries, each value of a group the same: no width."""
    run = run_of(("a", {"m@1": np.repeat([0.1, 0.2, 0.6], 100)}))
    found = segments_of(points_of(with_facts(run, {"history_items": HISTORY})), "m@1", Reader())
    assert [(one.name, one.n, one.least, one.most) for one in found] == [
        ("short", 100, 2, 2), ("middle", 100, 5, 5), ("long", 100, 9, 9)
    ]  # fmt: skip
    assert [one.mean for one in found] == pytest.approx([0.1, 0.2, 0.6])
    assert [one.high - one.low for one in found] == pytest.approx([0, 0, 0])


def test_segments_average_over_seeds_and_skip_what_was_not_scored(run_of):
    """Two seeds of 0.2 and 0.4 are 0.3; a query without a value is in no group."""
    first, second = np.full(300, 0.2), np.full(300, 0.4)
    first[:10] = second[:10] = np.nan
    run = run_of(("a", {"m@1": first}), ("a", {"m@1": second}, {"seed": 2}))
    found = segments_of(points_of(with_facts(run, {"history_items": HISTORY})), "m@1", Reader())
    assert [one.n for one in found] == [90, 100, 100]
    assert [one.mean for one in found] == pytest.approx([0.3] * 3)


def test_files_that_do_not_say_have_no_segments(run_of):
    """Older files hold nothing of the queries: nothing is made up."""
    run = run_of(("a", {"m@1": np.ones(300)}), ("b", {}, {"status": "failed", "reason": "x"}))
    assert segments_of(points_of(run), "m@1", Reader()) == []


def test_thirds_hold_equal_queries_together():
    """Six equal facts are one group, not three."""
    assert set(thirds(np.full(6, 4.0)).tolist()) == {0}
    random = np.random.default_rng(2).integers(0, 50, 999).astype(float)
    groups = thirds(random)
    assert all(len(set(groups[random == one])) == 1 for one in set(random))
    assert min(np.bincount(groups)) > 280

"""Batches: every event is a target once, and no target can be seen in its own history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fields import Categorical, Fields
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from methods.batches import EpochBatches, epoch_batches, serving_history


def log_of(lists, *, ordered, n_items=50, **fields):
    return Interactions(Lists.of(lists), n_items, ordered=ordered, **fields)


def examples(train, batch_size=4, max_history=3, seed=0):
    """Return every example of an epoch as (target, history)."""
    found = []
    for batch in epoch_batches(train, batch_size, max_history, np.random.default_rng(seed)):
        for row, target in enumerate(batch.targets.tolist()):
            found.append((target, batch.history.row(row).tolist()))
    return found


def test_an_ordered_log_gives_the_items_before_the_target():
    """User [5, 6, 7, 8, 9] with three items of history at most; the second user has one event."""
    train = log_of([[5, 6, 7, 8, 9], [3]], ordered=True)
    assert sorted(examples(train)) == [
        (3, []),
        (5, []),
        (6, [5]),
        (7, [5, 6]),
        (8, [5, 6, 7]),
        (9, [6, 7, 8]),
    ]


def test_an_unordered_log_gives_other_items_of_the_user():
    """Each target meets three of the user's four other items, drawn anew in another epoch."""
    train = log_of([[5, 6, 7, 8, 9], [3]], ordered=False)
    first, second = (dict(examples(train, seed=seed)) for seed in (0, 1))
    for target in range(5, 10):
        history = first[target]
        assert len(set(history)) == 3
        assert set(history) <= set(range(5, 10)) - {target}
    assert first[3] == []
    assert first != second


def test_a_repeated_item_is_not_in_its_own_history():
    """Item 5 stands twice in the log: when one is the target the other is left out."""
    for ordered in (True, False):
        for target, history in examples(log_of([[5, 6, 5]], ordered=ordered)):
            assert target not in history


def test_fields_are_those_of_the_target_event():
    """User fields come with the user, event fields with the event that is the target."""
    train = log_of(
        [[0, 1], [2]],
        ordered=False,
        user_fields=Fields(2, {"age": Categorical(np.array([4, 7]), 9)}),
        event_fields=Fields(3, {"hour": Categorical(np.array([10, 11, 12]), 24)}),
    )
    for batch in epoch_batches(train, 2, 5, np.random.default_rng(0)):
        columns = batch.fields.columns
        assert columns["hour"].ids.tolist() == (batch.targets + 10).tolist()
        assert columns["age"].ids.tolist() == np.where(batch.targets == 2, 7, 4).tolist()


@settings(max_examples=50, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=6),
    ordered=st.booleans(),
    batch_size=st.integers(1, 9),
    max_history=st.integers(1, 9),
)
def test_each_event_is_a_target_once(lists, ordered, batch_size, max_history):
    """Over an epoch the targets are the log, whatever the sizes, and histories are bounded."""
    train = log_of(lists, ordered=ordered)
    found = examples(train, batch_size, max_history)
    assert sorted(target for target, _ in found) == sorted(train.item_ids.tolist())
    assert all(len(history) <= max_history and target not in history for target, history in found)


@pytest.mark.parametrize(("ordered", "expected"), [(True, [2, 3]), (False, [1, 2, 3])])
def test_a_query_is_encoded_from_its_last_events_where_order_means_something(ordered, expected):
    """Two items of history at most: the last two of an ordered log, all of another."""
    queries = Queries(np.array([0]), Lists.of([[1, 2, 3]]), Lists.empty(1))
    assert serving_history(queries, ordered, 2).row(0).tolist() == expected


@pytest.mark.parametrize("ordered", [True, False])
def test_a_batch_can_be_made_again(ordered):
    """All that is random is drawn at the start of an epoch, whichever batch comes first."""
    train = log_of([[5, 6, 7, 8, 9], [3, 4], [1, 2, 3, 4]], ordered=ordered)
    batches = EpochBatches(train, 4, 3, np.random.default_rng(0))
    backwards = [batches[place] for place in reversed(range(len(batches)))]
    for one, other in zip(batches, reversed(backwards), strict=True):
        assert one.targets.tolist() == other.targets.tolist()
        assert one.history.ids.tolist() == other.history.ids.tolist()


def test_a_log_that_cannot_be_written_to_gives_batches():
    """As one that is mapped from a file."""
    train = log_of([[5, 6, 7], [3, 4]], ordered=True)
    train.events.ids.setflags(write=False)
    assert len(examples(train)) == 5

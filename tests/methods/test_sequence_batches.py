"""Batches of sequences: every position an example, windows, and no target in its own history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fields import Categorical, Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.sequence_batches import SequenceBatches, cut_windows


def log_of(lists, n_items=50, **fields):
    return Interactions(Lists.of(lists), n_items, ordered=True, **fields)


def examples(train, batch_size=2, max_history=3, seed=0, windows="last"):
    """Return every example of an epoch as (target, what its sequence holds up to the position)."""
    found = []
    batches = SequenceBatches(train, batch_size, max_history, np.random.default_rng(seed), windows)
    for batch in batches:
        history = batch.history
        assert len(history) <= batch_size
        assert history.lengths.min() > 0
        rows = history.rows[batch.positions]
        starts = history.indptr[rows]
        for target, start, place in zip(batch.targets, starts, batch.positions, strict=True):
            found.append((int(target), history.ids[start : place + 1].tolist()))
    assert len(found) == batches.n_examples
    return found


def test_each_position_of_a_sequence_has_the_event_that_follows():
    """User [5, 6, 7, 8]: three examples in one row; a user with one event gives none."""
    train = log_of([[5, 6, 7, 8], [3], []])
    assert examples(train) == [(6, [5]), (7, [5, 6]), (8, [5, 6, 7])]


def test_a_long_sequence_is_its_last_window_or_all_its_windows():
    """Six events, two of history at most: the last two targets; or all five, from the end back."""
    train = log_of([[0, 1, 2, 3, 4, 5]])
    last = [(4, [3]), (5, [3, 4])]
    assert examples(train, max_history=2) == last
    everything = [(1, [0]), (2, [1]), (3, [1, 2]), *last]
    assert sorted(examples(train, max_history=2, windows="all")) == everything


def test_a_repeated_item_is_not_a_target_after_itself():
    """5, 6, 5, 7: at 6 the next item is 5, which the window holds; 7 is a target all the same.

    In windows of one the first 5 is gone, and nothing gives the second away.
    """
    train = log_of([[5, 6, 5, 7], [1, 1]])
    assert sorted(examples(train)) == [(6, [5]), (7, [5, 6, 5])]
    assert sorted(examples(train, max_history=1, windows="all")) == [
        (5, [6]),
        (6, [5]),
        (7, [5]),
    ]


def test_fields_are_those_of_the_target_event():
    """User fields come with the user, event fields with the event that is the target."""
    train = log_of(
        [[0, 1, 2], [3, 4]],
        user_fields=Fields(2, {"age": Categorical(np.array([4, 7]), 9)}),
        event_fields=Fields(5, {"hour": Categorical(np.arange(10, 15), 24)}),
    )
    targets = []
    for batch in SequenceBatches(train, 1, 5, np.random.default_rng(0)):
        columns = batch.fields.columns
        assert columns["hour"].ids.tolist() == (batch.targets + 10).tolist()
        assert columns["age"].ids.tolist() == np.where(batch.targets == 4, 7, 4).tolist()
        targets += batch.targets.tolist()
    assert sorted(targets) == [1, 2, 4]


@settings(max_examples=50, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=6),
    windows=st.sampled_from(["last", "all"]),
    batch_size=st.integers(1, 4),
    max_history=st.integers(1, 9),
)
def test_an_event_is_a_target_once_unless_its_window_holds_its_item(
    lists, windows, batch_size, max_history
):
    """Against windows cut by hand, one user at a time, from the last event backwards."""
    expected = []
    for one in lists:
        end = len(one) - 1
        while end > 0:
            start = max(end - max_history, 0)
            for place in range(start, end):
                history = one[start : place + 1]
                if one[place + 1] not in history:
                    expected.append((one[place + 1], history))
            end = 0 if windows == "last" else start
    train = log_of(lists)
    found = examples(train, batch_size, max_history, windows=windows)
    assert sorted(found) == sorted(expected)
    batches = SequenceBatches(train, batch_size, max_history, np.random.default_rng(0), windows)
    targets = np.array([target for target, _ in expected], np.int64)
    assert batches.target_counts().tolist() == np.bincount(targets, minlength=50).tolist()


def test_a_batch_can_be_made_again_and_an_epoch_has_an_order_of_its_own():
    """All that is random is drawn at the start; another seed gives another order."""
    train = log_of([[user, user + 1, user + 2] for user in range(8)])
    batches = SequenceBatches(train, 3, 3, np.random.default_rng(0))
    backwards = [batches[place] for place in reversed(range(len(batches)))]
    for one, other in zip(batches, reversed(backwards), strict=True):
        assert one.targets.tolist() == other.targets.tolist()
        assert one.history.ids.tolist() == other.history.ids.tolist()
    first, second = (examples(train, 3, seed=seed) for seed in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)


@pytest.mark.parametrize("windows", ["last", "all"])
def test_a_log_without_two_events_of_a_user_has_no_batches(windows):
    """Nothing follows anything."""
    assert len(SequenceBatches(log_of([[1], []]), 4, 3, np.random.default_rng(0), windows)) == 0
    assert cut_windows(Lists.of([[1], []]), 3, windows)[0].size == 0

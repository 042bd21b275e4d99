"""Splits and filters, by hand on logs small enough to follow."""

from dataclasses import fields, replace

import numpy as np
import pytest

from harness.data.filters import filter_log
from harness.data.log import Log, arrange
from harness.data.split_spec import KINDS, parse_split
from harness.data.splits import split_log
from harness.errors import DatasetError
from harness.fields import Categorical, Fields
from harness.lists import Lists


def ids(*values):
    return np.array(values, np.int64)


def sequence_log(*users, n_items=10):
    """Return an ordered log with a list of items per user; second t of the whole log is event t."""
    lists = Lists.of(users)
    return Log(
        lists.rows,
        lists.ids,
        len(users),
        n_items,
        timestamps=np.arange(lists.ids.size),
        ordered=True,
        user_fields=Fields(len(users), {"age": Categorical(np.arange(len(users)), len(users))}),
    )


def random_log(n_users=40, n_items=30, seed=0):
    rng = np.random.default_rng(seed)
    users = [rng.permutation(n_items)[: rng.integers(3, 15)].tolist() for _ in range(n_users)]
    log = sequence_log(*users, n_items=n_items)
    return replace(log, ratings=rng.integers(1, 6, log.n_events).astype(np.float32))


def split(log, **table):
    return split_log(log, parse_split(table), "log")


def rows(lists):
    return [lists.row(index).tolist() for index in range(len(lists))]


EVERY = {"cold_items": "keep", "cold_users": "keep"}
# `given` needs parts in the log; the other kinds split any ordered log
FREE = [kind for kind in KINDS if kind != "given"]


def test_leave_last_out_by_hand():
    """Last is test, last but one validation; two events are too few, and all of them train."""
    parts = split(sequence_log([1, 2, 3, 4], [2, 3], [1, 3, 2]), kind="leave_last_out", **EVERY)
    assert rows(parts.train.events) == [[1, 2], [2, 3], [1]]
    assert rows(parts.full_train.events) == [[1, 2, 3], [2, 3], [1, 3]]
    assert parts.validation.queries.user_ids.tolist() == [0, 2]
    assert rows(parts.validation.queries.history) == [[1, 2], [1]]
    assert rows(parts.validation.relevant) == [[3], [3]]
    assert rows(parts.test.queries.history) == [[1, 2, 3], [1, 3]]
    assert rows(parts.test.relevant) == [[4], [2]]


def test_per_user_temporal_by_hand():
    """Of ten events the last 0.2 are test, and 0.25 of the eight left validation."""
    log = sequence_log([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    parts = split(log, kind="per_user_temporal", test=0.2, validation=0.25, **EVERY)
    assert rows(parts.train.events) == [[9, 8, 7, 6, 5, 4]]
    assert rows(parts.validation.relevant) == [[2, 3]]  # ascending, as answers are
    assert rows(parts.test.relevant) == [[0, 1]]
    assert rows(parts.test.queries.hidden) == [[2, 3, 4, 5, 6, 7, 8, 9]]
    assert rows(parts.test.queries.history) == [[9, 8, 7, 6, 5, 4, 3, 2]]


def test_global_time_by_hand():
    """Ten events at seconds 0 to 9, 0.2 and 0.25: test from second 8, validation from 6."""
    log = sequence_log([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    parts = split(log, kind="global_time", test=0.2, validation=0.25, **EVERY)
    assert rows(parts.train.events) == [[0, 1, 2, 3, 4], [5]]
    assert rows(parts.validation.relevant) == [[6, 7]]
    assert rows(parts.test.relevant) == [[8, 9]]


def test_global_time_keeps_a_second_together():
    """Events of the second at the cut all go to the later side."""
    log = replace(sequence_log([0, 1, 2, 3, 4, 5]), timestamps=ids(0, 1, 2, 7, 7, 7))
    parts = split(log, kind="global_time", test=0.2, validation=0.4, **EVERY)
    assert rows(parts.test.relevant) == [[3, 4, 5]]


def test_held_out_users_are_unknown_in_training_but_have_fields():
    """Test users train nothing, come as -1 with their fields, and fold in their first events."""
    log = random_log()
    parts = split(log, kind="held_out_users", test=0.25, validation=0.25, fold_in=0.5, **EVERY)
    assert len(parts.test) == len(parts.validation) == 10
    assert (parts.test.queries.user_ids == -1).all()
    assert (parts.validation.queries.user_ids == -1).all()
    users = parts.test.queries.fields.columns["age"].ids  # a user's age is the user's number here
    assert parts.full_train.events.lengths[users].sum() == 0
    for query, user in enumerate(users.tolist()):
        items = log.item_ids[log.user_ids == user].tolist()
        history = parts.test.queries.history.row(query).tolist()
        assert history == items[: len(history)]
        assert sorted(items[len(history) :]) == parts.test.relevant.row(query).tolist()
    assert (parts.full_train.events.lengths > 0).sum() == 30  # validation users are back


def test_random_per_user_depends_on_its_seed_only():
    """One seed gives one split, another seed another."""
    log = random_log()
    one, again, other = (split(log, kind="random_per_user", seed=s, **EVERY) for s in (1, 1, 2))
    assert rows(one.test.relevant) == rows(again.test.relevant)
    assert rows(one.test.relevant) != rows(other.test.relevant)


def given_log():
    log = random_log()
    part = np.where(np.arange(log.n_events) % 4 == 3, 2, 0).astype(np.int8)
    return replace(log, part=part)


def test_given_uses_the_files_and_carves_validation_from_training():
    """Test is as given; train and validation together are the files' training part."""
    log = given_log()
    parts = split(log, kind="given", validation=0.2, **EVERY)
    assert parts.test.relevant.ids.size == (log.part == 2).sum()
    assert parts.full_train.n_events == (log.part == 0).sum()
    assert parts.train.n_events + parts.validation.relevant.ids.size == parts.full_train.n_events


def test_given_validation_by_the_last_events():
    """With validation_by = "last" each user's last training events are taken."""
    log = replace(sequence_log([0, 1, 2, 3, 4]), part=np.array([0, 0, 2, 0, 0], np.int8))
    parts = split(log, kind="given", validation=0.25, validation_by="last", **EVERY)
    assert rows(parts.train.events) == [[0, 1, 3]]
    assert rows(parts.validation.relevant) == [[4]]


def test_a_validation_part_of_the_files_is_used():
    """Where the files give a validation part, none is carved."""
    log = replace(sequence_log([0, 1, 2, 3, 4]), part=np.array([0, 1, 0, 2, 0], np.int8))
    parts = split(log, kind="given", **EVERY)
    assert rows(parts.validation.relevant) == [[1]]
    assert rows(parts.train.events) == [[0, 2, 4]]


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_every_kind_fit_together(kind):
    """Nothing is in two parts, a target is never in its own history, hidden is what was seen."""
    log = given_log()
    parts = split(log, kind=kind, **EVERY)
    for held in (parts.validation, parts.test):
        for query in range(len(held)):
            history = set(held.queries.history.row(query).tolist())
            hidden = held.queries.hidden.row(query).tolist()
            assert not history & set(held.relevant.row(query).tolist())
            assert hidden == sorted(history)
            assert held.relevant.row(query).size > 0
    answers = parts.validation.relevant.ids.size
    assert parts.train.n_events + answers <= parts.full_train.n_events
    assert parts.full_train.n_events + parts.test.relevant.ids.size <= log.n_events


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_test_labels_leaves_every_input_unchanged(kind):
    """No query and no training event may depend on which items are the answers."""
    log = given_log()
    parts = split(log, kind=kind, **EVERY)
    keys = log.user_ids * log.n_items + log.item_ids
    users = parts.test.queries.fields.columns["age"].ids[parts.test.relevant.rows]
    answers = np.isin(keys, users * log.n_items + parts.test.relevant.ids)
    # items never used before stand in for the answers, in another order for each user
    items = log.item_ids.copy()
    items[answers] = log.n_items + np.arange(answers.sum())[::-1]
    n_items = log.n_items + int(answers.sum())
    other = split(replace(log, item_ids=items, n_items=n_items), kind=kind, **EVERY)
    for one, two in ((parts.test, other.test), (parts.validation, other.validation)):
        assert rows(one.queries.history) == rows(two.queries.history)
        assert rows(one.queries.hidden) == rows(two.queries.hidden)
        assert one.queries.user_ids.tolist() == two.queries.user_ids.tolist()
    assert rows(parts.full_train.events) == rows(other.full_train.events)
    assert rows(parts.test.relevant) != rows(other.test.relevant)


@pytest.mark.parametrize("kind", FREE)
def test_every_choice_is_in_the_protocol_and_changes_the_hash(kind):
    """Any field of the specification appears by name; a changed value changes the data hash."""
    log = random_log()
    spec = parse_split({"kind": kind, **EVERY})
    parts = split_log(log, spec, "log")
    assert parts.protocol.startswith(f"log/{kind}(")
    for one in fields(spec):
        assert f"{one.name}=" in parts.protocol or one.name == "select_on"
    other = split_log(log, replace(spec, cold_items="drop"), "log")
    assert other.data_hash != parts.data_hash
    assert split_log(log, spec, "other").data_hash != parts.data_hash
    changed = replace(log, ratings=log.ratings + 1)
    assert split_log(changed, spec, "log").data_hash != parts.data_hash


@pytest.mark.parametrize("kind", FREE)
def test_selection_on_test_hands_the_test_part_out_and_says_so(kind):
    """Learning has all but the test part, validation is the test part, words and hash are others.

    Said or not, validation is the choice without a word: hashes are those from before there was
    another.
    """
    log = random_log()
    usual, said, other = (
        split(log, kind=kind, **EVERY, **one)
        for one in ({}, {"select_on": "validation"}, {"select_on": "test"})
    )
    assert "select_on" not in usual.protocol
    assert "select_on=test" in other.protocol
    assert said.data_hash == usual.data_hash != other.data_hash
    assert other.train is other.full_train
    assert other.validation is other.test
    assert rows(other.train.events) == rows(usual.full_train.events)
    assert rows(other.test.relevant) == rows(usual.test.relevant)


def test_what_is_open_and_what_is_said_give_one_hash():
    """None and the value it stands for are the same protocol."""
    log = random_log()
    left_open = split(log, kind="leave_last_out", **EVERY)
    said = split(log, kind="leave_last_out", deduplicate=True, hide_seen=True, **EVERY)
    assert left_open.data_hash == said.data_hash


def test_filters_run_rating_then_repeats_then_core():
    """By hand: rating 3 removes user 0's item 2; the repeat of item 1 goes; the 2-core follows.

    After rating and repeats: user 0 has 1, 3; user 1 has 1, 3, 4; user 2 has 4, 5. Item 5 falls to
    the item core, then user 2, then item 4: left are users 0, 1 and items 1, 3, renumbered 0, 1.
    """
    log = replace(
        sequence_log([1, 2, 1, 3], [1, 3, 4], [4, 5]),
        ratings=np.array([5, 1, 5, 5, 5, 5, 5, 5, 5], np.float32),
    )
    table = {"min_rating": 3, "min_user_events": 2, "min_item_events": 2}
    spec = parse_split({"kind": "leave_last_out", **table}).resolved(repeats_count=False)
    kept = filter_log(log, spec)
    assert (kept.n_users, kept.n_items) == (2, 2)
    assert kept.user_ids.tolist() == [0, 0, 1, 1]
    assert kept.item_ids.tolist() == [0, 1, 0, 1]
    assert kept.timestamps.tolist() == [0, 3, 4, 5]  # the first of the repeated events stays
    assert kept.user_fields.columns["age"].ids.tolist() == [0, 1]


def test_fields_are_left_out_when_told_and_a_context_cannot_be():
    """Only ids are left in every part, under another hash; a log with contexts is refused."""
    log = random_log()
    told = split(log, kind="leave_last_out", fields="none", **EVERY)
    assert told.train.user_fields is None
    assert told.test.queries.fields is None
    assert split(log, kind="leave_last_out", **EVERY).data_hash != told.data_hash
    with pytest.raises(DatasetError, match=r"context \(hour\)"):
        split(context_log(), kind="given", fields="none", **EVERY)


def context_log():
    """Return a log with a context: user 0 uses item 1 three times, once in test."""
    return arrange(
        Log(
            ids(0, 0, 0, 0, 1, 1, 1),
            ids(1, 1, 1, 2, 2, 2, 1),
            2,
            3,
            part=np.array([0, 0, 2, 0, 0, 0, 2], np.int8),
            user_fields=Fields(2, {"age": Categorical(ids(0, 1), 2)}),
            event_fields=Fields(7, {"hour": Categorical(ids(0, 1, 2, 3, 4, 5, 6), 7)}),
        )
    )


def test_events_with_context_are_queries_of_their_own():
    """A query per event with its context; repeats count, so nothing is hidden."""
    parts = split(context_log(), kind="given", validation=0.4, **EVERY)
    test = parts.test
    assert test.queries.user_ids.tolist() == [0, 1]
    assert rows(test.relevant) == [[1], [1]]
    assert rows(test.queries.history) == [[1, 1, 2], [2, 2]]
    assert test.queries.hidden.ids.size == 0
    assert test.queries.fields.columns["hour"].ids.tolist() == [2, 6]
    names = list(parts.full_train.query_fields(np.arange(1)).columns)
    assert list(test.queries.fields.columns) == names == ["age", "hour"]
    assert "deduplicate=False" in parts.protocol
    assert "hide_seen=False" in parts.protocol


@pytest.mark.parametrize(("policy", "n"), [("drop", 2), ("keep", 3)])
def test_cold_items_by_policy(policy, n):
    """Item 9 occurs in test only: the query goes, or stays."""
    log = sequence_log([1, 2, 3, 9], [1, 3, 2], [3, 2, 1])
    parts = split(log, kind="leave_last_out", cold_items=policy)
    assert len(parts.test) == n
    assert parts.dropped["test_events_of_cold_items"] == 3 - n


def test_a_cold_test_item_is_an_error_that_says_what_to_do():
    """The message has the counts, an example and the option."""
    log = sequence_log([1, 2, 3, 9], [1, 3, 2])
    message = (
        r"1 of 2 test events are cold: item 9 \(of user 0\) never occurs .*cold_items = \"drop\""
    )
    with pytest.raises(DatasetError, match=message):
        split(log, kind="leave_last_out")


def test_a_cold_user_is_an_error_or_dropped_or_kept():
    """User 1 has test events only; kept, the query has no history and user -1."""
    log = sequence_log([1, 2, 3, 4, 5], [3], [5, 4, 3, 2, 1])
    log = replace(log, part=np.array([0] * 5 + [2] + [0] * 5, np.int8))
    with pytest.raises(DatasetError, match=r"user 1 .* has no training items; set cold_users"):
        split(log, kind="given", validation_by="last")
    kept = split(log, kind="given", validation_by="last", cold_users="keep").test.queries
    assert kept.user_ids.tolist() == [-1]
    assert rows(kept.history) == [[]]
    with pytest.raises(DatasetError, match="the test part is empty"):
        split(log, kind="given", validation_by="last", cold_users="drop")


@pytest.mark.parametrize(
    ("change", "table", "message"),
    [
        ({}, {"kind": "given"}, "the files of this data set give no split"),
        ({"ordered": False}, {"kind": "leave_last_out"}, "needs events in time order"),
        ({"ordered": False}, {"kind": "per_user_temporal"}, "needs events in time order"),
        ({"timestamps": None}, {"kind": "global_time"}, "needs timestamps"),
        ({"ratings": None}, {"kind": "leave_last_out", "min_rating": 4}, "has no ratings"),
        ({}, {"kind": "leave_last_out", "min_user_events": 99}, "no event is left"),
    ],
)
def test_a_log_that_does_not_fit_the_protocol_is_refused(change, table, message):
    """What the protocol needs and the log lacks is named."""
    with pytest.raises(DatasetError, match=message):
        split(replace(random_log(), **change), **table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"split has no kind; known: .*given"),
        ({"kind": "leave_one_out"}, "unknown kind of split 'leave_one_out'; did you mean"),
        ({"kind": "given", "fold_in": 0.5}, "unknown parameter 'fold_in'"),
        ({"kind": "given", "validaton": 0.1}, "did you mean 'validation'"),
        ({"kind": "random_per_user", "test": 1.5}, "test = 1.5 must lie between 0 and 1"),
        ({"kind": "given", "cold_items": "dorp"}, "did you mean 'drop'"),
        ({"kind": "held_out_users", "test": 0.5, "validation": 0.5}, "leave no user"),
        ({"kind": "given", "deduplicate": False, "hide_seen": True}, "forbids it"),
        ({"kind": "given", "min_user_events": -1}, "must not be negative"),
    ],
)
def test_bad_tables_are_refused(table, message):
    """What was given, what was expected and what is near is said."""
    with pytest.raises(ValueError, match=message):
        parse_split(table)

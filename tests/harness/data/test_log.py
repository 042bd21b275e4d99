"""The log: canonical order and the hash of its content."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.log import Log, arrange, content_hash
from harness.fields import Categorical, Fields


def ids(*values):
    return np.array(values, np.int64)


def test_unordered_log_is_arranged_by_user_then_item():
    """Without order, (1, 5), (0, 9), (0, 2) become (0, 2), (0, 9), (1, 5)."""
    log = arrange(Log(ids(1, 0, 0), ids(5, 9, 2), 2, 10))
    assert log.user_ids.tolist() == [0, 0, 1]
    assert log.item_ids.tolist() == [2, 9, 5]


def test_ties_in_time_go_to_the_smaller_item():
    """At one second item 3 stands before item 7, whatever the file says; earlier is first."""
    log = Log(ids(0, 0, 0), ids(7, 3, 9), 1, 10, timestamps=ids(5, 5, 4), ordered=True)
    assert arrange(log).item_ids.tolist() == [9, 3, 7]


def test_order_without_times_stays_as_read():
    """A sequence file's order is kept within each user."""
    log = arrange(Log(ids(1, 0, 1, 0), ids(5, 9, 2, 1), 2, 10, ordered=True))
    assert log.item_ids.tolist() == [9, 1, 5, 2]


def test_hash_ignores_the_order_of_lines_of_an_unordered_log():
    """The same events in another order are the same content."""
    one = arrange(Log(ids(1, 0, 0), ids(5, 9, 2), 2, 10))
    two = arrange(Log(ids(0, 1, 0), ids(2, 5, 9), 2, 10))
    assert content_hash(one) == content_hash(two)


@pytest.mark.parametrize(
    "change",
    [
        {"item_ids": ids(2, 8, 5)},
        {"n_items": 11},
        {"ordered": True},
        {"ratings": np.ones(3, np.float32)},
        {"part": np.zeros(3, np.int8)},
        {"user_fields": Fields(2, {"age": Categorical(ids(0, 1), 2)})},
    ],
)
def test_hash_sees_every_part_of_the_content(change):
    """Changing any one thing changes the hash."""
    log = arrange(Log(ids(1, 0, 0), ids(5, 9, 2), 2, 10))
    assert content_hash(replace(log, **change)) != content_hash(log)


def test_hash_is_the_same_everywhere():
    """The hash of a tiny log is fixed: it must not depend on machine or version."""
    log = Log(ids(0), ids(1), 1, 2, user_fields=Fields(1, {"f": Categorical(ids(0), 1)}))
    assert content_hash(log) == "a041a9698fdb997d7b83e0f2eb6fed3a3b91b71e2958c69e90f30df336ba8673"


def test_wrong_shapes_and_ids_are_refused():
    """A log that does not fit together cannot be made."""
    with pytest.raises(ValueError, match=r"item ids must lie in 0\.\.1"):
        Log(ids(0), ids(2), 1, 2)
    with pytest.raises(ValueError, match="timestamps has 2 rows, expected 1"):
        Log(ids(0), ids(1), 1, 2, timestamps=ids(1, 2))

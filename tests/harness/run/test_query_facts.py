"""Facts of queries: what the file of an operating point says of whom was asked for what."""

import numpy as np

from harness.data.splits import Parts
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import Lists
from harness.run.operating_point import query_facts


def lists(*rows):
    sizes = np.array([len(row) for row in rows], np.int64)
    ids = np.array([one for row in rows for one in row], np.int64)
    return Lists(np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), ids)


def test_histories_and_popularity_by_hand():
    """Item 0 was met three times, item 1 once, item 2 never.

    A query for items 0 and 1 asks for a mean of 2 interactions, one for item 2 for 0; one without
    relevant items has 0. Histories hold 2, 1 and 0 items.
    """
    train = Interactions(lists([0, 1], [0], [0]), n_items=3)
    history = lists([0, 1], [0], [])
    queries = Queries(np.array([0, 1, -1]), history, history)
    test = HeldOut(queries, lists([0, 1], [2], []))
    facts = query_facts(Parts(train, test, train, test, "made", "made", "0" * 64))
    assert facts["history_items"].tolist() == [2, 1, 0]
    assert facts["relevant_events"].tolist() == [2.0, 0.0, 0.0]

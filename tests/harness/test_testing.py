"""RetrieverContract: what breaks it is found, and by the test that is there for it."""

import inspect

import numpy as np
import pytest

from harness.retriever import Capability, Retriever
from harness.testing import (
    RetrieverContract,
    assert_same_up_to_rounding,
    tiny_held_out,
    tiny_log,
)
from harness.topk import PAD_ID, TopK, select_top_k

ONE_OR_MANY = "test_one_query_or_many_is_the_same"
TOP_OF_SCORES = "test_exact_search_is_the_top_of_the_scores"


class Pairs(Retriever):
    """Scores an item by the users it shares with the history, larger ids a little lower."""

    capabilities = frozenset({Capability.SCORE})
    search_stages = ("scoring",)

    def fit(self, train, validation=None):
        met = np.zeros((train.n_users, train.n_items), np.float32)
        met[train.user_ids, train.item_ids] = 1
        self.shared = met.T @ met - 0.01 * np.arange(train.n_items, dtype=np.float32)

    def scores_of(self, queries):
        met = np.zeros((len(queries), len(self.shared)), np.float32)
        met[queries.history.rows, queries.history.ids] = 1
        return met @ self.shared

    def score(self, queries, item_ids):
        return self.scores_of(queries)[:, item_ids]

    def search(self, queries, k):
        self.mark("scoring")
        return select_top_k(self.scores_of(queries), k, queries.hidden)


def exchanged(found):
    """Return the lists with the two first items that differ in score in each other's place."""
    ids = found.ids.copy()
    for row, scores in zip(ids, found.scores, strict=True):
        drops = np.flatnonzero((scores[:-1] > scores[1:]) & (row[1:] != PAD_ID))
        if drops.size:
            at = drops[0]
            row[[at, at + 1]] = row[[at + 1, at]]
    return TopK(ids, found.scores)


class Exchanged(Pairs):
    """Gives the right scores to the wrong items."""

    def search(self, queries, k):
        return exchanged(super().search(queries, k))


class PassesOver(Pairs):
    """Returns the item after the last in its place, under the last one's score."""

    def search(self, queries, k):
        if k == len(self.shared):
            return super().search(queries, k)
        more = super().search(queries, k + 1)
        ids = more.ids[:, :k].copy()
        ids[:, -1] = np.where(more.ids[:, k] == PAD_ID, ids[:, -1], more.ids[:, k])
        return TopK(ids, more.scores[:, :k].copy())


class OtherInCompany(Pairs):
    """Returns other items where it is asked several queries at once."""

    def search(self, queries, k):
        found = super().search(queries, k)
        return found if len(queries) == 1 else exchanged(found)


class OtherInCompanyUnscored(OtherInCompany):
    """The same, and nothing else to hold it against."""

    capabilities = frozenset()
    score = Retriever.score


def failing(cls, tmp_path):
    """Return the names of the contract's tests that a method fails."""
    contract = type("Contract", (RetrieverContract,), {"retriever_class": cls})()
    given = {
        "retriever": contract.make(),
        "queries": tiny_held_out(tiny_log()).queries,
        "tmp_path": tmp_path,
    }
    failed = set()
    for name, test in inspect.getmembers(contract, inspect.ismethod):
        if name.startswith("test_"):
            wanted = inspect.signature(test).parameters
            try:
                test(**{one: given[one] for one in wanted})
            except (AssertionError, pytest.fail.Exception):
                failed.add(name)
    return failed


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (Pairs, set()),
        (Exchanged, {TOP_OF_SCORES}),
        (PassesOver, {TOP_OF_SCORES}),
        (OtherInCompany, {TOP_OF_SCORES, ONE_OR_MANY}),
        (OtherInCompanyUnscored, {ONE_OR_MANY}),
    ],
)
def test_wrong_items_under_right_scores_are_found(cls, expected, tmp_path):
    """By the tests that are there for it and no other; a good method fails none."""
    assert failing(cls, tmp_path) == expected


def lists(ids, scores):
    return TopK(np.array([ids]), np.array([scores], np.float32))


@pytest.mark.parametrize(
    ("ids", "scores"),
    [
        ([4, 7, 2, 9], [3.0, 2.0, 1.000001, 1.0]),  # as it was
        ([4, 7, 9, 2], [3.0, 2.0, 1.0, 1.0]),  # rounding exchanged the last two
        ([4, 7, 2, 8], [3.0, 2.0, 1.000001, 1.0]),  # the last has rivals beyond the list
    ],
)
def test_what_rounding_does_is_the_same(ids, scores):
    """Items within rounding of each other may stand in any order."""
    assert_same_up_to_rounding(lists(ids, scores), lists([4, 7, 2, 9], [3.0, 2.0, 1.000001, 1.0]))


@pytest.mark.parametrize(
    ("ids", "scores"),
    [
        ([7, 4, 2, -1], [3.0, 2.0, 1.0, -np.inf]),  # exchanged
        ([4, 7, 3, -1], [3.0, 2.0, 1.0, -np.inf]),  # another at the last place that is filled
        ([4, 7, 2, -1], [3.0, 2.0, 1.1, -np.inf]),  # another score
        ([4, 7, 2, 5], [3.0, 2.0, 1.0, 0.5]),  # one more
    ],
)
def test_what_rounding_does_not_do_is_not(ids, scores):
    """Each differs from the list by what no rounding explains."""
    with pytest.raises(AssertionError):
        assert_same_up_to_rounding(
            lists(ids, scores), lists([4, 7, 2, -1], [3.0, 2.0, 1.0, -np.inf])
        )

"""A class of ann-benchmarks as a method: what it returns, what it is told, what is refused."""

import dataclasses
import importlib.metadata
import sys
import types

import numpy as np
import pytest

from harness.errors import MethodError
from harness.params import parse_params
from harness.testing import N_ITEMS, K, tiny_held_out, tiny_log
from harness.topk import select_top_k
from methods.ann import ann_class
from methods.ann.ann_class import AnnClass, AnnClassParams, AnnClassSearch, find_class
from methods.ann.retriever import Flat

QUERIES = tiny_held_out(tiny_log()).queries


class Noting:
    """Notes what it is given and asked; answers with the first ids, as a list."""

    def __init__(self, metric, method_param):
        self.made = (metric, method_param)
        self.told, self.asked = [], []

    def fit(self, X):  # noqa: N803  their name
        self.shape, self.dtype = X.shape, X.dtype

    def set_query_arguments(self, *arguments):
        self.told.append(arguments)

    def query(self, v, n):
        self.asked.append(("one", v.shape, n))
        return [*range(n // 2)]

    def batch_query(self, X, n):  # noqa: N803
        self.asked.append(("batch", X.shape, n))
        self.res = np.tile(np.arange(n), (len(X), 1))

    def get_batch_results(self):
        return self.res


@pytest.fixture
def module(monkeypatch):
    """Install a module of others, `other.place`."""
    made = types.ModuleType("other_place")
    made.Noting, made.number = Noting, 3
    made.NoQuery = type("NoQuery", (), {"fit": lambda self, x: None})
    made.Wrong = type("Wrong", (Noting,), {"query": lambda self, v, n: [0, N_ITEMS]})
    made.Twice = type("Twice", (Noting,), {"query": lambda self, v, n: [1, 1]})
    monkeypatch.setitem(sys.modules, "other_place", made)
    return made


def method(target="other_place:Noting", search=None, **build):
    build.setdefault("arguments", '["angular", {"M": 4}]')
    made = AnnClass(AnnClassParams(target, **build))
    made.fit(tiny_log())
    made.build()
    made.search_params = search or AnnClassSearch()
    return made


@pytest.mark.parametrize("distance", ["angular", "euclidean", "ip"])
@pytest.mark.parametrize("batch", [False, True])
def test_brute_force_is_exact(distance, batch):
    """The class that ships finds the top of the exhaustive score, hidden items left out."""
    made = AnnClass(AnnClassParams(arguments=f'["{distance}"]', distance=distance))
    made.fit(tiny_log())
    made.build()
    made.search_params = AnnClassSearch(batch=batch)
    best = select_top_k(made.score(QUERIES, np.arange(N_ITEMS)), K, QUERIES.hidden)
    found = made.search(QUERIES, K)
    np.testing.assert_array_equal(found.ids, best.ids)
    np.testing.assert_array_equal(found.scores, best.scores)


def test_inner_products_are_those_of_flat():
    """Over the same vectors an independent index of faiss returns the same lists."""
    made = AnnClass(AnnClassParams(arguments='["ip"]', distance="ip"))
    flat = Flat()
    for one in (made, flat):
        one.fit(tiny_log())
        one.build()
    first, second = (one.search(QUERIES, K) for one in (made, flat))
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.scores, second.scores, rtol=1e-6)


def test_scores_are_distances_by_hand():
    """Euclidean: minus the length of the difference; angular: the cosine minus 1."""
    vectors, items = (
        fields.columns["vector"].values.astype(float)
        for fields in (QUERIES.fields, tiny_log().item_fields)
    )
    by_distance = {
        "euclidean": -np.linalg.norm(vectors[:, None] - items[None], axis=2),
        "angular": (vectors @ items.T)
        / np.outer(np.linalg.norm(vectors, axis=1), np.linalg.norm(items, axis=1))
        - 1,
    }
    for distance, expected in by_distance.items():
        made = AnnClass(AnnClassParams(arguments=f'["{distance}"]', distance=distance))
        made.fit(tiny_log())
        np.testing.assert_allclose(made.score(QUERIES, np.arange(N_ITEMS)), expected, atol=1e-5)


def test_the_class_gets_what_ann_benchmarks_would_give(module):
    """Arguments of the constructor and of queries, float32 vectors, one query or a batch."""
    made = method(search=AnnClassSearch("[64, 2]"))
    inner = made._algorithm
    assert inner.made == ("angular", {"M": 4})
    assert (inner.shape, inner.dtype) == ((N_ITEMS, 8), np.float32)
    made.search(QUERIES.take(np.array([0])), K)
    made.search(QUERIES.take(np.array([0])), K)
    hidden = int(QUERIES.hidden.lengths[0])
    assert inner.asked == [("one", (8,), K + hidden)] * 2
    assert inner.told == [(64, 2)]  # set once, not for every query
    made.search_params = dataclasses.replace(made.search_params, batch=True)
    made.search(QUERIES, K)
    assert inner.asked[-1] == ("batch", (len(QUERIES), 8), K + int(QUERIES.hidden.lengths.max()))


def test_too_few_answers_become_pads(module):
    """A class that finds less than k is padded; what it found stands by its score."""
    found = method().search(QUERIES.take(np.array([0])), N_ITEMS)
    kept = found.ids[0] >= 0
    assert 0 < kept.sum() < N_ITEMS
    assert (np.diff(found.scores[0, kept]) <= 0).all()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere", "expected module:Class, or an entry point of 'matchbench.ann_classes'"),
        ("no.such.module:X", "cannot be loaded: ModuleNotFoundError"),
        ("other_place:Nothing", "cannot be loaded: AttributeError"),
        ("other_place:NoQuery", "NoQuery has no query"),
        ("other_place.number", "number has no fit and no query"),
    ],
)
def test_what_names_no_such_class_is_refused(module, target, message):
    """Says what was named, and what is missing."""
    with pytest.raises(MethodError, match=message):
        find_class(target)


def test_an_entry_point_names_a_class(module, monkeypatch):
    """By the name alone; a path with dots works too."""
    point = importlib.metadata.EntryPoint("mine", "other_place:Noting", ann_class.GROUP)
    monkeypatch.setattr(ann_class, "entry_points", lambda group: [point])
    assert find_class("mine") is find_class("other_place.Noting") is Noting


@pytest.mark.parametrize(
    ("target", "message"), [("Wrong", f"returned id {N_ITEMS}, expected"), ("Twice", "an id twice")]
)
def test_ids_that_are_none_are_refused(module, target, message):
    """An id beyond the items, or one that stands twice: told as the fault of the class."""
    with pytest.raises(MethodError, match=message):
        method(f"other_place:{target}").search(QUERIES, K)


def test_arguments_are_json_lists():
    """What is none is refused when the suite is read."""
    with pytest.raises(ValueError, match="arguments = 'angular' is no JSON list"):
        parse_params(AnnClassParams, {"arguments": "angular"})
    with pytest.raises(ValueError, match="query_arguments = '4' is no JSON list"):
        parse_params(AnnClassSearch, {"query_arguments": "4"})

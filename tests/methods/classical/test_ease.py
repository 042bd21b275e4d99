"""EASE: the closed form, in float32 and in place, against float64 and against its definition."""

import re

import numpy as np
import pytest
import threadpoolctl

from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from harness.topk import select_top_k
from methods.classical import ease, room
from methods.classical.ease import EASE, EASEParams


def fitted(log, **params):
    method = EASE(EASEParams(**params))
    method.fit(log)
    method.build()
    return method


def weights(method, n_items):
    """Return W, (seen, scored): what each item alone gives the others."""
    alone = Queries(
        np.full(n_items, -1), Lists.of([[one] for one in range(n_items)]), Lists.empty(n_items)
    )
    return method.score(alone, np.arange(n_items))


def closed_form(met, l2):
    inverse = np.linalg.inv(met.T @ met + l2 * np.eye(met.shape[1]))
    result = -inverse / inverse.diagonal()
    np.fill_diagonal(result, 0)
    return result


def test_two_items_by_hand():
    """Items met together once, apart once each: G = [[2, 1], [1, 2]], B_01 = 1 / (2 + lambda)."""
    log = Interactions(Lists.of([[0, 1], [0], [1]]), 2)
    assert weights(fitted(log, l2=3.0), 2) == pytest.approx(np.array([[0, 0.2], [0.2, 0]]))


@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_agrees_with_float64(log, met, asked, asked_met, l2):
    """Scores are those of the inverse in float64, repeated events once, to 1e-5."""
    scores = fitted(log, l2=l2).score(asked, np.arange(log.n_items))
    assert scores == pytest.approx(asked_met @ closed_form(met, l2), abs=1e-5)


def test_each_column_is_a_ridge_regression(log, met):
    """Column j solves least squares of item j on the others, which is how it is defined."""
    found = weights(fitted(log, l2=2.0), log.n_items)
    for item in range(log.n_items):
        others = np.delete(np.arange(log.n_items), item)
        used = met[:, others]
        gram = used.T @ used + 2.0 * np.eye(others.size)
        expected = np.linalg.solve(gram, used.T @ met[:, item])
        assert found[others, item] == pytest.approx(expected, abs=1e-5)
        assert found[item, item] == 0


def test_blocks_change_nothing(log, asked, monkeypatch):
    """Rows are filled and mirrored seven at a time as all at once."""
    whole = fitted(log).score(asked, np.arange(log.n_items))
    monkeypatch.setattr(ease, "BLOCK_ROWS", 7)
    assert np.array_equal(fitted(log).score(asked, np.arange(log.n_items)), whole)


def test_a_larger_catalogue_keeps_its_precision():
    """300 items of skewed popularity at lambda 1: no weight is off by more than 1e-5."""
    random = np.random.default_rng(3)
    chance = 0.5 / np.arange(1, 301)
    met = random.random((800, 300)) < chance
    log = Interactions(Lists.of([np.flatnonzero(one).tolist() for one in met]), 300)
    off = weights(fitted(log, l2=1.0), 300) - closed_form(met.astype(float), 1.0)
    assert np.abs(off).max() < 1e-5


def test_top_n_keeps_the_largest_of_each_column(log, met, asked, asked_met):
    """Three weights a column; others score 0; the footprint says what share was dropped."""
    method = fitted(log, l2=2.0, top_n=3)
    whole = closed_form(met, 2.0)
    kept = whole.copy()
    for column in kept.T:
        column[np.argsort(-np.abs(column))[3:]] = 0
    assert method.score(asked, np.arange(log.n_items)) == pytest.approx(asked_met @ kept, abs=1e-5)
    dropped = 1 - np.abs(kept).sum() / np.abs(whole).sum()
    assert method.footprint().details["dropped_weight"] == pytest.approx(dropped, abs=1e-5)
    assert method.footprint().details["postings"] == 3 * log.n_items


@pytest.mark.parametrize("top_n", [None, 4])
@pytest.mark.parametrize("k", [1, 5, 25])
def test_search_is_the_best_of_score(log, asked, top_n, k):
    """Lists equal the exact selection from score(), negative and zero scores included."""
    method = fitted(log, l2=2.0, top_n=top_n)
    expected = select_top_k(method.score(asked, np.arange(log.n_items)), k, asked.hidden)
    found = method.search(asked, k)
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.scores, expected.scores)


def test_dense_counters_and_footprint(log, asked):
    """A dense search reads a row for each of 2 + 0 + 1 + 25 + 4 distinct items, and scores all."""
    method = fitted(log)
    method.search(asked, 3)
    assert method.counters() == {"postings": 32 * 25, "candidates": 5 * 25}
    assert method.footprint().index_bytes == 25 * 25 * 4


def test_what_does_not_fit_is_refused_before_it_begins(log, monkeypatch):
    """25 items with two blocks of 1,024 rows take 207,300 bytes; 7,300 are missing."""
    monkeypatch.setattr(room, "available_bytes", lambda: 200_000)
    message = "EASE on 25 items takes 207,300 bytes and 200,000 are available: 7,300 bytes are"
    with pytest.raises(MethodError, match=re.escape(message) + ".*try slim or rp3beta"):
        EASE().fit(log)


def test_a_matrix_that_is_singular_in_single_precision_is_refused():
    """Two items that 4,000 users met together differ by nothing that float32 can add to 4,000."""
    log = Interactions(Lists.of([[0, 1]] * 4000), 2)
    with pytest.raises(MethodError, match=r"singular in single precision.*try a larger l2"):
        EASE(EASEParams(l2=1e-6)).fit(log)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"l2": 0.0}, "l2 = 0.0; expected more than 0"),
        ({"top_n": 0}, "top_n = 0; expected at least 1, or none"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given, message):
    """Each says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_params(EASEParams, given)


@pytest.mark.parametrize(("many", "threads"), [(1, 1), (1000, 2)])
def test_one_thread_inverts_what_many_cannot(log, monkeypatch, many, threads):
    """With two allowed; afterwards they are as before. The wrapped step stands for LAPACK's."""
    seen, factor = [], ease.lapack.spotrf

    def pools():
        blas = [one for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
        return {one["num_threads"] for one in blas}

    def looked_at(*given, **named):
        seen.append(pools())
        return factor(*given, **named)

    monkeypatch.setattr(ease, "MANY_ROWS", many)
    monkeypatch.setattr(ease.lapack, "spotrf", looked_at)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        EASE(EASEParams(l2=2.0)).fit(log)
        assert pools() == {2}
    assert seen == [{threads}]

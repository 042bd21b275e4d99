"""iALS: normal equations in float64, the objective, and the fold-in."""

import numpy as np
import pytest

from harness.lists import Lists
from harness.params import parse_params
from harness.seeding import generator
from methods.classical.ials import IALS, IALSParams
from methods.classical.normal_equations import solve_rows, spectrum

DIM = 6


def reference(met, params, items):
    """Alternate in float64 by dense d x d solves, as the paper writes them."""

    def solve(rows, others):
        gram = params.unobserved_weight * others.T @ others
        frequency = rows.sum(1) + params.unobserved_weight * len(others)
        own = params.l2 * frequency**params.frequency_exponent
        return np.stack(
            [
                np.linalg.solve(
                    others.T @ np.diag(row) @ others + gram + one * np.eye(others.shape[1]),
                    others.T @ row,
                )
                for row, one in zip(rows, own, strict=True)
            ]
        )

    for _ in range(params.epochs):
        users = solve(met, items)
        items = solve(met.T, users)
    return users, items, solve


def start(params, n_items, seed):
    """Return the item vectors that training begins with: those of a fit without an epoch."""
    drawn = generator(seed, "ials").standard_normal((n_items, params.dim))
    return drawn * params.init_std / np.sqrt(params.dim)


@pytest.mark.parametrize("dim", [1, 6, 40])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_agrees_with_dense_solves(log, met, asked, asked_met, dim, exponent):
    """Three epochs and a fold-in: users of more and of fewer events than dimensions."""
    params = IALSParams(
        dim=dim, epochs=3, l2=0.05, unobserved_weight=0.3, frequency_exponent=exponent
    )
    method = IALS(params, seed=5)
    method.fit(log)
    method.build()
    _, items, solve = reference(met, params, start(params, log.n_items, 5))
    expected = solve(asked_met, items) @ items.T
    scores = method.score(asked, np.arange(log.n_items))
    assert scores == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_each_epoch_lowers_the_objective(log, met):
    """The loss over all pairs, with regularisation, falls from epoch to epoch."""

    def loss(epochs):
        params = IALSParams(dim=DIM, epochs=epochs, l2=0.05, unobserved_weight=0.3)
        users, items, _ = reference(met, params, start(params, log.n_items, 0))
        method = IALS(params, seed=0)
        method.fit(log)
        method.build()
        found = method._items
        assert found == pytest.approx(items, abs=1e-4)
        predicted = users @ found.T
        own = params.l2 * (met.sum(1) + 0.3 * log.n_items)
        other = params.l2 * (met.sum(0) + 0.3 * log.n_users)
        return (
            (met * (predicted - 1) ** 2).sum()
            + 0.3 * (predicted**2).sum()
            + own @ (users**2).sum(1)
            + other @ (found**2).sum(1)
        )

    losses = [loss(epochs) for epochs in (1, 2, 4, 8)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1] + 0.1


@pytest.mark.parametrize("n", [1, 5, 6, 7, 30])
def test_both_ways_of_solving_agree(n):
    """With n vectors of 6 dimensions the n x n and the d x d systems give the same solution."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(30, DIM)).astype(np.float32)
    of_all = spectrum(vectors)
    ids = random.permutation(30)[:n]
    shared, own = 0.4 * of_all.values, np.array([0.7])
    found = solve_rows(Lists.of([ids.tolist()]), of_all, (shared, own)) @ of_all.basis.T
    used = vectors[ids].astype(np.float64)
    gram = used.T @ used + 0.4 * vectors.T @ vectors + 0.7 * np.eye(DIM)
    assert found[0] == pytest.approx(np.linalg.solve(gram, used.sum(0)), abs=1e-5)


def test_a_history_of_nothing_scores_zero(log, asked):
    """Its normal equation has the solution 0."""
    method = IALS(IALSParams(dim=DIM))
    method.fit(log)
    method.build()
    assert (method.score(asked, np.arange(log.n_items))[1] == 0).all()


def test_work_and_bytes(log, asked):
    """Five questions against 25 items; 25 vectors of 6 float32 and 6 eigenvalues of 8 bytes."""
    method = IALS(IALSParams(dim=DIM))
    method.fit(log)
    method.build()
    method.search(asked, 3)
    assert method.counters() == {"distances": 125}
    assert method.footprint().index_bytes == 25 * 6 * 4 + 6 * 8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dim": 0}, "dim = 0; expected at least 1"),
        ({"l2": 0.0}, "l2 = 0.0; expected more than 0"),
        ({"unobserved_weight": 0.0}, "unobserved_weight = 0.0; expected more than 0"),
        ({"frequency_exponent": -1.0}, "frequency_exponent = -1.0; expected at least 0"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given, message):
    """Each says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_params(IALSParams, given)

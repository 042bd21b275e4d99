"""MaxSim and poly-encoder scores: plain loops, blocks, gradients by finite differences."""

import math

import numpy as np
import pytest
import torch

from methods.late_interaction.maxsim import maxsim, own_maxsim
from methods.late_interaction.poly import own_poly_scores, poly_scores


def by_hand(queries, items):
    """Return sum_q max_s <q, s> in plain loops, float64."""
    out = np.zeros((len(queries), len(items)))
    for n, query in enumerate(queries):
        for m, item in enumerate(items):
            out[n, m] = sum(max(float(q @ s) for s in item) for q in query)
    return out


def poly_by_hand(queries, items):
    """Return <attended vector, item> in plain loops, float64, as the paper writes it."""
    out = np.zeros((len(queries), len(items)))
    for n, query in enumerate(queries):
        for m, item in enumerate(items):
            weights = np.array([math.exp(float(y @ item)) for y in query])
            context = sum(w * y for w, y in zip(weights / weights.sum(), query, strict=True))
            out[n, m] = float(context @ item)
    return out


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float64)  # many ties


@pytest.mark.parametrize(("n_query", "n_item"), [(1, 1), (4, 1), (1, 3), (5, 3)])
def test_it_is_the_sum_of_best_matches(n_query, n_item):
    """Small whole numbers, so that matches tie; a query without tokens scores 0 everywhere."""
    queries, items = drawn(4, n_query, 3), drawn(7, n_item, 3, seed=1)
    queries[2] = 0  # an empty history: every token is absent
    queries[3, 1:] = 0
    found = maxsim(torch.from_numpy(queries), torch.from_numpy(items)).numpy()
    np.testing.assert_array_equal(found, by_hand(queries, items))
    assert (found[2] == 0).all()
    own = np.stack([items, items[::-1], items, items])
    wanted = by_hand(queries, items)
    wanted[1] = wanted[1, ::-1]
    np.testing.assert_array_equal(
        own_maxsim(torch.from_numpy(queries), torch.from_numpy(own)).numpy(), wanted
    )


@pytest.mark.parametrize("m", [1, 4])
def test_the_poly_score_is_the_papers(m):
    """Softmax attention of the item over the query's vectors, then an inner product."""
    queries, items = drawn(4, m, 3), drawn(7, 3, seed=1)
    wanted = poly_by_hand(queries, items)
    given = torch.from_numpy(queries), torch.from_numpy(items)
    np.testing.assert_allclose(poly_scores(*given).numpy(), wanted, rtol=1e-12)
    own = given[1].expand(4, 7, 3)
    np.testing.assert_allclose(own_poly_scores(given[0], own).numpy(), wanted, rtol=1e-12)
    best = (queries @ items.T).max(axis=1)
    assert (wanted <= best + 1e-12).all()  # what the search for candidates rests on


@pytest.mark.parametrize("scorer", [maxsim, poly_scores])
def test_blocks_change_neither_scores_nor_gradients(scorer):
    """A block of one item, of some, and a last one that is not full; gradients in float64."""
    torch.manual_seed(0)
    shape = (7, 3, 4) if scorer is maxsim else (7, 4)
    found = []
    for block in (1 << 20, 1, 3 * 5 * 2, 3 * 5 * 4):
        torch.manual_seed(1)
        queries = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
        items = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        scores = scorer(queries, items, block)
        (scores * torch.arange(21.0).view(3, 7)).sum().backward()
        found.append((scores.detach(), queries.grad, items.grad))
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scorer", [maxsim, own_maxsim, poly_scores, own_poly_scores])
def test_gradients_are_finite_differences(scorer):
    """Away from ties, where the maximum has none; in blocks where there are blocks."""
    torch.manual_seed(0)
    shapes = {maxsim: (5, 3, 4), own_maxsim: (2, 5, 3, 4), poly_scores: (5, 4)}
    queries = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    shape = shapes.get(scorer, (2, 5, 4))
    items = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    blocks = (12,) if scorer in (maxsim, poly_scores) else ()
    assert torch.autograd.gradcheck(lambda q, i: scorer(q, i, *blocks), (queries, items))


def test_no_single_vector_of_the_same_size_has_these_scores():
    """Two tokens of 2 numbers an item against the best vector of 4 numbers (Eckart and Young).

    Items are all pairs of 24 directions in the plane; a query is one direction. MaxSim puts the 23
    items that hold it first. The scores' best approximation by inner products of 4 numbers, which
    knows all of them, does so for less than half.
    """
    angles = 2 * np.pi * np.arange(24) / 24
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pairs = np.array([(a, b) for a in range(24) for b in range(a)])
    queries, items = torch.from_numpy(directions[:, None]), torch.from_numpy(directions[pairs])
    scores = maxsim(queries, items).numpy()
    holds = (pairs == np.arange(24)[:, None, None]).any(axis=2)  # (24, 276)

    def recall(of):
        best = np.argsort(-of, axis=1, kind="stable")[:, :23]
        return np.take_along_axis(holds, best, axis=1).mean()

    left, values, right = np.linalg.svd(scores, full_matrices=False)
    assert recall(scores) == 1
    assert recall((left[:, :4] * values[:4]) @ right[:4]) < 0.5

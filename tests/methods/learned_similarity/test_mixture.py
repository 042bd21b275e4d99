"""Mixtures of logits: loops in numpy, the bound, two passes, candidates, gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from harness.topk import PAD_ID, select_top_k
from methods.ann.choice import IndexChoice
from methods.candidates import best_of
from methods.interactions.mixture_of_logits import MixtureOfLogits
from methods.learned_similarity.component_index import ComponentIndex
from methods.learned_similarity.params import MoLSearch
from methods.learned_similarity.two_pass import two_pass_scores

DIM, WIDTH, HIDDEN, P_Q, P_X = 5, 6, 4, 3, 2
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 25))  # of queries and items
# Scale of the gate's weights: even weights, a gate that chooses, one that chooses a single one.
SHARPNESS = st.sampled_from([0.0, 1.0, 30.0])


def no_mark(stage):
    """Take note of nothing."""


def mixture_of(seed, sharpness=1.0, temperature=0.1):
    torch.manual_seed(seed)
    made = MixtureOfLogits(
        DIM, WIDTH, HIDDEN, token_parts=P_Q, item_parts=P_X, plain=True, temperature=temperature
    )
    with torch.no_grad():
        for part in (made.token_gate, made.item_gate):
            part[2].weight *= sharpness
            part[2].bias *= sharpness
    return made.eval()


def sides_of(mixture, sizes, seed, n_twins=0):
    """Return what queries and items bring, the last items being twins of the first."""
    random = np.random.default_rng(seed)
    tokens, items = (
        random.normal(size=(n, width)) for n, width in zip(sizes, (DIM, WIDTH), strict=True)
    )
    items[len(items) - n_twins :] = items[:n_twins]
    with torch.no_grad():
        tokens = mixture.of_tokens(torch.from_numpy(tokens.astype(np.float32)))
        return tokens, mixture.of_items(torch.from_numpy(items.astype(np.float32)))


def hidden_of(sizes, share, seed):
    random = np.random.default_rng(seed)
    return Lists.of([np.flatnonzero(random.random(sizes[1]) < share).tolist()] * sizes[0])


def in_two_passes(mixture, sides, hidden, k):
    pairs = torch.from_numpy(hidden.rows), torch.from_numpy(hidden.ids)
    with torch.no_grad():
        rows, ids, scores = (one.numpy() for one in two_pass_scores(mixture, *sides, pairs, k))
    return Lists.from_pairs(rows, ids, len(hidden)), scores


def is_the_top(found, scores, hidden, k):
    """Hold answers against the exhaustive scores: as high as the best, each the item's own."""
    best = select_top_k(scores, k, hidden)
    np.testing.assert_array_equal(found.ids == PAD_ID, best.ids == PAD_ID)
    filled = best.ids != PAD_ID
    np.testing.assert_allclose(found.scores[filled], best.scores[filled], rtol=1e-5, atol=1e-5)
    rows = np.nonzero(filled)[0]
    own = scores[rows, found.ids[filled]]
    np.testing.assert_allclose(found.scores[filled], own, rtol=1e-5, atol=1e-5)
    for row, ids in enumerate(found.ids):
        shown = ids[ids != PAD_ID].tolist()
        assert len(set(shown)) == len(shown)
        assert not set(shown) & set(hidden.row(row).tolist())


def silu(values):
    return values / (1 + np.exp(-values))


def test_a_mixture_is_what_loops_compute():
    """Unit components, their products, a gate of query, item and products; pair after pair."""
    mixture = mixture_of(0, temperature=0.2)
    random = np.random.default_rng(1)
    tokens, items = random.normal(size=(3, DIM)), random.normal(size=(4, WIDTH))
    w = {name: one.numpy().astype(np.float64) for name, one in mixture.state_dict().items()}

    def components(projected, n_parts):
        parts = projected.reshape(n_parts, HIDDEN)
        return [part / np.linalg.norm(part) for part in parts]

    def gate(side, given):
        inner = silu(w[f"{side}.0.weight"] @ given + w[f"{side}.0.bias"])
        return w[f"{side}.2.weight"] @ inner + w[f"{side}.2.bias"]

    wanted = np.empty((3, 4))
    for row, token in enumerate(tokens):
        for column, item in enumerate(items):
            products = np.array(
                [
                    f @ g
                    for f in components(w["token.weight"] @ token, P_Q)
                    for g in components(w["item.weight"] @ item, P_X)
                ]
            )
            crossed = silu(w["gate_in.weight"] @ products + w["gate_in.bias"])
            logits = w["gate_out.weight"] @ crossed + w["gate_out.bias"]
            logits += gate("token_gate", token) * gate("item_gate", item)
            weights = np.exp(logits - logits.max())
            wanted[row, column] = (weights / weights.sum()) @ products / 0.2
    with torch.no_grad():
        queries = mixture.of_tokens(torch.from_numpy(tokens.astype(np.float32)))
        sides = mixture.of_items(torch.from_numpy(items.astype(np.float32)))
        np.testing.assert_allclose(mixture.pairs(queries, sides), wanted, rtol=1e-4, atol=1e-5)
        cosines = mixture.cosines(queries, sides).numpy()
    assert (wanted <= cosines.max(axis=0) / 0.2 + 1e-5).all()
    assert (wanted >= cosines.min(axis=0) / 0.2 - 1e-5).all()


def test_gradients_are_those_of_finite_differences():
    """Of the scores of all pairs, by every weight and both inputs."""
    mixture = mixture_of(0).double()
    random = np.random.default_rng(0)
    tokens, items = (
        torch.from_numpy(random.normal(size=size)).requires_grad_()
        for size in ((2, DIM), (3, WIDTH))
    )

    def scores(tokens, items, *_):
        return mixture.pairs(mixture.of_tokens(tokens), mixture.of_items(items))

    assert torch.autograd.gradcheck(scores, (tokens, items, *mixture.parameters()))


@settings(max_examples=80, deadline=None)
@given(SIZES, st.integers(0, 99), SHARPNESS, st.sampled_from([0.0, 0.4, 1.0]), st.data())
def test_two_passes_are_exact(sizes, seed, sharpness, share, data):
    """For any gate, any k, few visible items, none, and items that tie."""
    k = data.draw(st.integers(1, sizes[1]))
    mixture = mixture_of(seed, sharpness)
    sides = sides_of(mixture, sizes, seed, data.draw(st.integers(0, sizes[1] // 2)))
    hidden = hidden_of(sizes, share, seed)
    candidates, scores = in_two_passes(mixture, sides, hidden, k)
    for row in range(sizes[0]):
        assert not set(candidates.row(row).tolist()) & set(hidden.row(row).tolist())
    with torch.no_grad():
        exhaustive = mixture.pairs(*sides).numpy()
    is_the_top(best_of(candidates, scores, k), exhaustive, hidden, k)


def plain_mean_of(components):
    """Return a mixture of two components in equal parts, one query and items of given products."""
    mixture = MixtureOfLogits(1, 1, 1, token_parts=1, item_parts=2, plain=True, temperature=1.0)
    with torch.no_grad():
        for one in mixture.parameters():
            one.zero_()
    gate, items = torch.zeros(len(components), 2), torch.tensor(components)[:, :, None]
    return mixture.eval(), ((torch.ones(1, 1, 1), torch.zeros(1, 2)), (items, gate))


def test_the_second_pass_finds_what_no_component_puts_first():
    """Means -0.05, -0.05, 0.7 and -0.5: the third is second by both components, and the best.

    No component of the last reaches the mean of the first two.
    """
    mixture, sides = plain_mean_of([[0.9, -1.0], [-1.0, 0.9], [0.7, 0.7], [-0.5, -0.5]])
    candidates, scores = in_two_passes(mixture, sides, Lists.empty(1), 1)
    assert candidates.row(0).tolist() == [0, 1, 2]
    assert best_of(candidates, scores, 1).ids.tolist() == [[2]]


def test_a_tie_on_the_bound_goes_to_the_smaller_id():
    """All means are 3/4 in full; the first item's components reach it and no more."""
    mixture, sides = plain_mean_of([[0.75, 0.75], [0.875, 0.625], [0.625, 0.875]])
    found = best_of(*in_two_passes(mixture, sides, Lists.empty(1), 1), 1)
    assert (found.ids.tolist(), found.scores.tolist()) == ([[0]], [[0.75]])


def test_two_passes_leave_most_gates_out_where_components_agree():
    """One query and item component: the mixture is the product, the bound tight, k gates enough."""
    torch.manual_seed(0)
    mixture = MixtureOfLogits(DIM, WIDTH, HIDDEN, token_parts=1, item_parts=1, plain=True).eval()
    sides = sides_of(mixture, (6, 400), 0)
    candidates, _ = in_two_passes(mixture, sides, Lists.empty(6), 5)
    assert candidates.lengths.tolist() == [5] * 6


def found_by_components(mixture, sides, hidden, search, index="flat"):
    made = ComponentIndex(IndexChoice(index, nlist=2), P_X, device="cpu", seed=0)
    made.add(sides[1][0].numpy())
    return made.candidates(sides[0][0].numpy(), hidden, search, no_mark), made


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 99), SHARPNESS, st.sampled_from([0.0, 0.4]), st.data())
def test_what_candidates_leave_out_is_below_the_bound(sizes, seed, sharpness, share, data):
    """The candidates hold the n best of each component; none left out exceeds their lowest.

    So the exhaustive ranking down to that bound is among the candidates.
    """
    wanted = data.draw(st.integers(1, sizes[1]))
    mixture, hidden = mixture_of(seed, sharpness), hidden_of(sizes, share, seed)
    sides = sides_of(mixture, sizes, seed)
    search = MoLSearch(per_component=wanted, averaged=0)
    candidates, _ = found_by_components(mixture, sides, hidden, search)
    with torch.no_grad():
        exhaustive, cosines = mixture.pairs(*sides).numpy(), mixture.cosines(*sides).numpy()
    for row in range(sizes[0]):
        visible = np.setdiff1d(np.arange(sizes[1]), hidden.row(row))
        found = candidates.row(row)
        assert (np.diff(found) > 0).all()
        assert set(found.tolist()) <= set(visible.tolist())
        left = np.setdiff1d(visible, found)
        if wanted >= len(visible):
            assert left.size == 0
            continue
        falling = [-np.sort(-component[row, visible]) for component in cosines]
        lowest = max(one[wanted - 1] for one in falling)
        assert (exhaustive[row, left] <= lowest / mixture.temperature + 1e-5).all()
        for component, one in zip(cosines, falling, strict=True):
            after = one[wanted] + 1e-6  # but for rounding the n best are above what comes next
            assert np.isin(visible[component[row, visible] > after], found).all()


def test_means_find_the_items_of_the_highest_mean():
    """The mean of all pairs' products is the product of the means."""
    mixture = mixture_of(3)
    sides = sides_of(mixture, (4, 40), 3)
    search = MoLSearch(per_component=0, averaged=7)
    candidates, made = found_by_components(mixture, sides, Lists.empty(4), search)
    with torch.no_grad():
        means = mixture.cosines(*sides).numpy().mean(axis=0)
    best = select_top_k(means, 7)
    for row in range(4):
        assert candidates.row(row).tolist() == sorted(best.ids[row].tolist())
    assert made.distances == 4 * 40


def test_both_kinds_are_joined_and_counted():
    """3 queries: 2 indexes by 3 components, and the means; by cells they compute less."""
    mixture = mixture_of(3)
    sides = sides_of(mixture, (3, 40), 3)
    both = MoLSearch(per_component=4, averaged=5, nprobe=1)
    parts = [MoLSearch(per_component=4, averaged=0), MoLSearch(per_component=0, averaged=5)]
    candidates, made = found_by_components(mixture, sides, Lists.empty(3), both)
    alone = [found_by_components(mixture, sides, Lists.empty(3), one)[0] for one in parts]
    for row in range(3):
        union = {*alone[0].row(row).tolist(), *alone[1].row(row).tolist()}
        assert candidates.row(row).tolist() == sorted(union)
    assert made.distances == 3 * 40 * (P_Q * P_X + 1)
    _, cells = found_by_components(mixture, sides, Lists.empty(3), both, "ivf")
    assert cells.distances < made.distances


@pytest.mark.parametrize(
    "given", [{"per_component": 0, "averaged": 0}, {"averaged": -1}, {"nprobe": 0}]
)
def test_senseless_searches_are_refused(given):
    """No candidates at all, a negative number, no cell."""
    with pytest.raises(ValueError, match="must be at least"):
        MoLSearch(**given)

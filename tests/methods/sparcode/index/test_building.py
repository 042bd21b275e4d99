"""Built lists against brute force over the dense scores: every rule, any block, either path."""

import tracemalloc

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MethodError
from methods.interactions.split_mlp import split_mlp
from methods.sparcode.index import best_of_codes, building, held
from methods.sparcode.index.best_of_codes import DeviceBest
from methods.sparcode.index.bounds import dot_bounds
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.cut import CutRules, cut_postings
from methods.sparcode.index.scorer import SidesScorer

a_rule = st.one_of(st.none(), st.integers(1, 12))
RULES = st.builds(CutRules, top_per_code=a_rule, max_per_item=a_rule, budget=a_rule)


@pytest.fixture(autouse=True)
def one_thread():
    """Blocks are tiny here: two threads would wait for each other most of the time."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def brute_force(scores, rules):
    """Return {(code, item): score} of what the rules leave of a dense matrix, rule by rule."""
    left = {
        (code, item): float(scores[code, item])
        for code in range(scores.shape[0])
        for item in range(scores.shape[1])
        if scores[code, item] > 0
    }

    def best(pairs, most):
        ranked = sorted(pairs, key=lambda pair: (-left[pair], pair[1], pair[0]))
        return ranked[:most]

    def group_best(axis, most):
        groups = {pair[axis] for pair in left}
        return [p for g in groups for p in best([q for q in left if q[axis] == g], most)]

    if rules.top_per_code is not None:
        left = {pair: left[pair] for pair in group_best(0, rules.top_per_code)}
    if rules.max_per_item is not None:
        left = {pair: left[pair] for pair in group_best(1, rules.max_per_item)}
    if rules.budget is not None:
        left = {pair: left[pair] for pair in best(left, rules.budget)}
    return left


def as_pairs(postings):
    """Return {(code, item): score}, having seen that ids ascend in every list."""
    codes = np.repeat(np.arange(postings.lengths.size), postings.lengths)
    for items in np.split(postings.items, postings.starts[1:-1]):
        assert (np.diff(items) > 0).all()
    keys = zip(codes.tolist(), postings.items.tolist(), strict=True)
    return dict(zip(keys, postings.scores.tolist(), strict=True))


class Dense(SidesScorer):
    """A given matrix of scores, items in any order; what was asked for is noted."""

    def __init__(self, scores, order=None, **others):
        order = np.arange(scores.shape[1]) if order is None else order
        rows, columns = (torch.arange(n) for n in scores.shape)
        matrix = torch.from_numpy(np.ascontiguousarray(scores[:, order]))
        self.asked = []

        def pairs(codes, items):
            self.asked.append((len(codes[0]), len(items[0])))
            return matrix[codes[0]][:, items[0]]

        super().__init__(
            pairs,
            [rows],
            [columns],
            torch.zeros(len(rows)),
            item_ids=order.astype(np.int32),
            **others,
        )


def matrix(n_codes, n_items, seed, whole):
    random = np.random.default_rng(seed)
    scores = random.integers(-3, 5, (n_codes, n_items)).astype(np.float32)
    return scores if whole else scores + random.random(scores.shape, np.float32)


CASES = {
    "n_codes": st.integers(1, 9),
    "n_items": st.integers(1, 30),
    "rules": RULES,
    "pairs": st.integers(1, 60),
    "codes": st.integers(1, 5),
    "whole": st.booleans(),
    "on_device": st.booleans(),
    "seed": st.integers(0, 10_000),
}


@settings(max_examples=250, deadline=None)
@given(**CASES)
def test_rules_leave_what_brute_force_leaves(
    n_codes, n_items, rules, pairs, codes, whole, on_device, seed
):
    """Whatever the blocks, the order of items and when cuts fall; whole numbers give many ties."""
    scores = matrix(n_codes, n_items, seed, whole)
    order = np.random.default_rng(seed).permutation(n_items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(building.BLOCK_PAIRS, "cpu", pairs)
        patch.setitem(building.CODES_AT_ONCE, "cpu", codes)
        patch.setattr(held, "FIRST_CUT", 3)
        if on_device:
            patch.setattr(best_of_codes, "HostBest", DEVICE_AS_HOST)
        built = build_lists(Dense(scores, order), rules)
    assert as_pairs(built) == brute_force(scores, rules)
    assert (built.items.dtype, built.scores.dtype) == (np.int32, np.float32)


def DEVICE_AS_HOST(n_codes, kept, n_items, floor):  # noqa: N802  it stands for a class
    """Return the device's selection on the host: what torch does it does alike."""
    return DeviceBest(torch.device("cpu"), n_codes, kept, n_items, floor)


@settings(max_examples=150, deadline=None)
@given(
    n_codes=st.integers(1, 9), n_items=st.integers(1, 30), rules=RULES, seed=st.integers(0, 10_000)
)
def test_cutting_afterwards_is_building_with_the_rules(n_codes, n_items, rules, seed):
    """`cut_postings` of uncut lists, with ties."""
    scores = matrix(n_codes, n_items, seed, whole=True)
    uncut = build_lists(Dense(scores))
    assert as_pairs(cut_postings(uncut, rules)) == brute_force(scores, rules)


@settings(max_examples=150, deadline=None)
@given(
    rules=RULES,
    whole=st.booleans(),
    on_device=st.booleans(),
    seed=st.integers(0, 10_000),
    block=st.integers(1, 9),
)
def test_leaving_out_blocks_changes_nothing(rules, whole, on_device, seed, block):
    """With bounds of an inner product, items in three groups: whole numbers, so sums are exact."""
    random = np.random.default_rng(seed)
    middles = random.integers(-4, 5, (3, 4))
    items = (middles.repeat(10, axis=0) + random.integers(-1, 2, (30, 4))).astype(np.float32)
    codes = random.integers(-3, 4, (7, 4)).astype(np.float32)
    bias = random.integers(-9, 2, 7).astype(np.float32)
    if not whole:
        items /= np.float32(8)
    tensors = [torch.from_numpy(one) for one in (codes, items, bias)]
    scorer = SidesScorer(
        lambda own, other: own[0] @ other[0].T,
        tensors[:1],
        tensors[1:2],
        tensors[2],
        make_bounds=dot_bounds(*tensors),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "BLOCK_ITEMS", block)
        patch.setitem(building.CODES_AT_ONCE, "cpu", 3)
        patch.setattr(held, "FIRST_CUT", 3)
        if on_device:
            patch.setattr(best_of_codes, "HostBest", DEVICE_AS_HOST)
        built = build_lists(scorer, rules)
    assert as_pairs(built) == brute_force(codes @ items.T + bias[:, None], rules)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one CPU")
def test_the_number_of_threads_changes_nothing():
    """The fused kernel and the choice of the best, by one thread and by two, bit for bit."""
    random = np.random.default_rng(0)
    shapes = ((40, 6), (500, 6), (6,), (40,))
    a, b, w, bias = (torch.from_numpy(random.normal(size=one).astype(np.float32)) for one in shapes)
    scorer = SidesScorer(lambda own, other: split_mlp(own[0], other[0], w), [a], [b], bias)
    rules, built = CutRules(top_per_code=30, max_per_item=5, budget=300), []
    for n_threads in (1, 2):
        numba.set_num_threads(n_threads)
        built.append(build_lists(scorer, rules))
    assert built[0].items.size == 300
    for one, other in zip(*built, strict=True):
        np.testing.assert_array_equal(one, other)


def test_hopeless_blocks_are_not_scored(monkeypatch):
    """Items at (1, 0) and at (-1, 0), blocks of 4: for the code (1, 0) half the blocks are left."""
    items = torch.tensor([[1.0, 0.0]]).repeat(16, 1)
    items[8:] *= -1
    seen = []

    def pairs(own, other):
        seen.append(len(other[0]))
        return own[0] @ other[0].T

    code, bias = torch.tensor([[1.0, 0.0]]), torch.zeros(1)
    monkeypatch.setattr(building, "BLOCK_ITEMS", 4)
    scorer = SidesScorer(pairs, [code], [items], bias, make_bounds=dot_bounds(code, items, bias))
    assert build_lists(scorer).items.tolist() == list(range(8))
    assert seen == [4, 4]


def test_a_global_bar_leaves_out_later_codes(monkeypatch):
    """The first code fills the budget with scores of 2; no score of the second reaches that."""
    items, bias = torch.ones(600, 1), torch.zeros(2)
    codes = torch.tensor([[2.0], [1.0]])
    seen = []

    def pairs(own, other):
        seen.append(float(own[0][0, 0]))
        return own[0] @ other[0].T

    monkeypatch.setitem(building.CODES_AT_ONCE, "cpu", 1)
    monkeypatch.setattr(held, "FIRST_CUT", 10)
    scorer = SidesScorer(pairs, [codes], [items], bias, make_bounds=dot_bounds(codes, items, bias))
    built = build_lists(scorer, CutRules(budget=100))
    assert (built.lengths.tolist(), built.items.tolist()) == ([100, 0], list(range(100)))
    assert set(seen) == {2.0}


def test_bounds_that_leave_nothing_out_are_not_asked_again(monkeypatch):
    """All items are one point: the first code asks, the other two do not."""
    code, items, bias = torch.ones(3, 2), torch.ones(16, 2), torch.zeros(3)
    asked = []

    class Bounds:
        def of_codes(self, first_code, after_code):
            asked.append((first_code, after_code))
            return torch.full((after_code - first_code, 4), 9.0)

    monkeypatch.setattr(building, "BLOCK_ITEMS", 4)
    monkeypatch.setitem(building.CODES_AT_ONCE, "cpu", 1)
    scorer = SidesScorer(
        lambda own, other: own[0] @ other[0].T,
        [code],
        [items],
        bias,
        make_bounds=lambda _: Bounds(),
    )
    assert build_lists(scorer).lengths.tolist() == [16, 16, 16]
    assert asked == [(0, 1)]


@pytest.mark.parametrize(("n_codes", "n_items"), [(0, 0), (0, 5), (5, 0), (1, 1)])
def test_the_smallest_indexes(n_codes, n_items):
    """No code, no item, one of each."""
    built = build_lists(Dense(np.ones((n_codes, n_items), np.float32)), CutRules(2, 2, 2))
    assert built.starts.tolist() == [min(one, n_items) for one in range(n_codes + 1)]
    assert built.items.size == n_codes * n_items


def test_no_positive_score_makes_empty_lists():
    """Zero is not positive."""
    built = build_lists(Dense(np.zeros((3, 4), np.float32)), CutRules(budget=7, max_per_item=1))
    assert (built.starts.tolist(), built.items.size) == ([0, 0, 0, 0], 0)


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(value, on_device, monkeypatch):
    """It would be dropped in silence, or lead every answer; minus infinity says that it is out."""
    if on_device:
        monkeypatch.setattr(best_of_codes, "HostBest", DEVICE_AS_HOST)
    scores = np.ones((2, 3), np.float32)
    scores[1, 1] = -np.inf
    assert build_lists(Dense(scores)).items.size == 5
    scores[1, 1] = value
    with pytest.raises(MethodError, match="not finite"):
        build_lists(Dense(scores))


def test_progress_reaches_all_codes(monkeypatch):
    """Five codes in blocks of two: 2, 4, 5 of 5; the marks tell where the two stages end."""
    monkeypatch.setitem(building.CODES_AT_ONCE, "cpu", 2)
    heard, marks = [], []
    scorer = Dense(np.ones((5, 3), np.float32))
    build_lists(scorer, progress=lambda *one: heard.append(one), mark=marks.append)
    assert heard == [(2, 5), (4, 5), (5, 5)]
    assert marks == ["precompute"] * 3 + ["index_build"]


@pytest.mark.parametrize(
    "rules",
    [
        CutRules(top_per_code=200),
        CutRules(budget=100_000),
        CutRules(budget=150_000, max_per_item=20),
        CutRules(max_per_item=20, top_per_code=500),
        CutRules(),
    ],
)
def test_memory_stays_under_the_budget(rules):
    """3,000 codes x 5,000 items, a quarter positive: 60 MB dense, 30 MB of postings uncut."""
    random = torch.Generator().manual_seed(0)
    codes = torch.randn(3000, 16, generator=random)
    items = torch.randn(5000, 16, generator=random)
    bias = torch.full((3000,), -2.7)

    def pairs(own, other):  # by numpy, whose arrays are what tracemalloc sees
        return torch.from_numpy(own[0].numpy() @ other[0].numpy().T)

    scorer = SidesScorer(pairs, [codes], [items], bias)
    megabytes = 60.0 if rules == CutRules() else 12.0
    tracemalloc.start()
    built = build_lists(scorer, rules, megabytes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert built.items.size > 50_000
    assert peak < megabytes * 1e6


def test_more_than_the_budget_is_refused_by_name():
    """Uncut lists of 4 MB do not fit into 2 MB; the message says how far the build came."""
    scores = np.ones((1000, 500), np.float32)
    with pytest.raises(
        MethodError, match=r"first 299 of 1,000 codes hold .* 1\.19 MB have .* memory_budget_mb"
    ):
        build_lists(Dense(scores), memory_budget_mb=2)
    with pytest.raises(MethodError, match="one code needs"):
        build_lists(Dense(scores), memory_budget_mb=0.05)


def test_rules_are_positive():
    """A rule that keeps nothing is a mistake."""
    with pytest.raises(ValueError, match="budget = 0 must be at least 1"):
        CutRules(budget=0)


def test_sides_of_unequal_lengths_are_refused():
    """Two tensors of one side must have a row for each code."""
    with pytest.raises(ValueError, match=r"codes have lengths \[3, 2\]"):
        SidesScorer(
            lambda own, other: own[0] @ other[0].T,
            [torch.ones(3, 2), torch.ones(2, 2)],
            [torch.ones(4, 2)],
            torch.zeros(3),
        )

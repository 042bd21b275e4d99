"""The packed merge equals a sum of whole numbers, ties by item id, whatever the way it takes."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from methods.compiling import compiled_s
from methods.sparcode.index.packed import PackedPostings, pack
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving import packed_merge
from methods.sparcode.serving.cost_model import (
    LEAST_TURNS,
    NEVER,
    NEVER_DENSE,
    QUERIES,
    READ,
    TURNS,
    CostModel,
    fit_cost_model,
)
from methods.sparcode.serving.merge import merge_lists
from methods.sparcode.serving.packed_kernel.merge import COMPILE_S, merge_rows
from methods.sparcode.serving.packed_merge import PackedMerger

WAYS = {"sparse": NEVER, "dense": 0}


def random_postings(random, n_lists, n_items, values=3):
    """Return lists of any length, empty ones too, with scores of few values so that sums tie."""
    lists = [
        np.sort(random.permutation(n_items)[: random.integers(n_items + 1)]) for _ in range(n_lists)
    ]
    starts = np.concatenate(([0], np.cumsum([len(one) for one in lists]))).astype(np.int64)
    items = np.concatenate(lists).astype(np.int32)
    scores = random.integers(1, values + 1, items.size).astype(np.float32) / values
    return Postings(starts, items, scores)


def packed_of(random, postings, n_items, most):
    return pack(postings, random.integers(5, size=n_items), most, rounded_lists=99)


def merger_of(packed, costs=NEVER_DENSE):
    return PackedMerger(packed, packed.items.size, costs=costs)


def oracle(packed, lists, weights, hidden, k, cut=None):
    """Return what a merge must, by a dictionary of whole numbers and a sort, in plain Python."""
    n_postings = n_candidates = 0
    ids, scores = np.full((len(lists), k), -1), np.full((len(lists), k), -np.inf, np.float32)
    for row, chosen in enumerate(lists.tolist()):
        sums = {}
        for column, one in enumerate(chosen):
            if one == -1:
                continue
            weight = 32768 if weights is None else round(float(weights[row, column]) * 32768)
            entries = packed.entries[packed.starts[one] : packed.starts[one + 1]][:cut].tolist()
            n_postings += len(entries)
            for entry in entries:
                item = int(packed.items[entry >> packed.impact_bits])
                impact = entry % 2**packed.impact_bits
                sums[item] = sums.get(item, 0) + (impact * weight + 2**14 >> 15)
        sums = {item: total for item, total in sums.items() if total > 0}
        n_candidates += len(sums)
        shown = set(sums) - set(hidden.row(row).tolist())
        best = sorted(shown, key=lambda item: (-sums[item], item))[:k]
        ids[row, : len(best)] = best
        scores[row, : len(best)] = [np.float32(sums[i] * packed.scale) for i in best]
    return ids, scores, n_postings, n_candidates


def assert_same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[2:] == expected[2:]
    assert [found[0].dtype, found[1].dtype] == [np.int64, np.float32]


def test_a_case_by_hand():
    """Lists {0: 1, 2: 2}, {2: 1, 3: 3}, {}; three units are the top impact, 2^13 - 1 or so.

    The first query adds lists 0 and 1: items 2 and 3 tie at 3 and go by id, though item 3 is the
    most popular. The second reads list 1 twice, item 3 hidden: 2. The third has no list at all.
    """
    starts, items = np.array([0, 2, 4, 4]), np.array([0, 2, 2, 3], np.int32)
    postings = Postings(starts, items, np.array([1, 2, 1, 3], np.float32))
    packed = pack(postings, np.array([0, 0, 0, 9]), 3)
    lists = np.array([[0, 1, 2], [1, 1, -1], [-1, -1, -1]])
    found = merger_of(packed).merge(lists, None, Lists.of([[], [3], []]), 3)
    assert found[0].tolist() == [[2, 3, 0], [2, -1, -1], [-1, -1, -1]]
    np.testing.assert_allclose(found[1], [[3, 3, 1], [2, *[-np.inf] * 2], [-np.inf] * 3], atol=1e-3)
    assert found[2:] == (4 + 4, 3 + 2)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=120, deadline=None)
@given(
    n_items=st.integers(1, 150),
    n_lists=st.integers(1, 6),
    width=st.integers(1, 5),
    weighted=st.booleans(),
    cut=st.none() | st.integers(1, 40),
    threads=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_it_is_the_top_of_whole_sums(
    way, n_items, n_lists, width, weighted, cut, threads, seed, data
):
    """Both ways, any lists and weights: ties, empty and missing lists, one item, k above all."""
    random = np.random.default_rng(seed)
    k = data.draw(st.integers(1, n_items + 2))
    postings = random_postings(random, n_lists, n_items, values=data.draw(st.sampled_from([1, 3])))
    packed = packed_of(random, postings, n_items, width)
    lists = random.integers(-1, n_lists, size=(5, width))
    weights = random.choice([0, 1e-5, 0.3, 0.5, 1], size=lists.shape).astype(np.float32)
    shares = (0, 0.1, 0.5, 0.9, 1)
    hidden = Lists.of([np.flatnonzero(random.random(n_items) < one).tolist() for one in shares])
    given_weights = weights if weighted else None
    merger = merger_of(packed)
    found = merger.merge_as(WAYS[way], lists, given_weights, hidden, k, threads, cut)
    assert_same(found, oracle(packed, lists, given_weights, hidden, k, cut))
    assert all(not worker[0].any() for worker in merger._workers)  # clear for the next query


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("k", [1, 100, 257, 1000])
@pytest.mark.parametrize("values", [1, 2, 1000])
def test_many_candidates_of_equal_sums(way, k, values):
    """Thousands of items tie, more than are sorted by counting: still the smallest ids win."""
    random = np.random.default_rng(values)
    postings = random_postings(random, 7, 3000, values)
    packed = packed_of(random, postings, 3000, 4)
    lists, hidden = random.integers(7, size=(3, 4)), Lists.of([[], [5], list(range(0, 3000, 2))])
    found = merger_of(packed).merge_as(WAYS[way], lists, None, hidden, k)
    assert_same(found, oracle(packed, lists, None, hidden, k))


@settings(max_examples=80, deadline=None)
@given(
    weighted=st.booleans(),
    spread=st.sampled_from([0.5, 4.0, 12.0]),
    width=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_sum_is_as_near_as_is_stated(weighted, spread, width, seed):
    """|served - sum of w s| <= scale * sum of (w e + m 2^-16 + 1/2), without weights of e alone.

    m is the impact and e 1/2, or 1 of a score below scale / 2; scores reach from large ones to such
    as are no thousandth of a unit. What is not found has a sum below its bound.
    """
    random = np.random.default_rng(seed)
    n_items, n_lists = 40, 7
    postings = random_postings(random, n_lists, n_items)
    scores = np.exp(spread * random.standard_normal(postings.scores.size)).astype(np.float32)
    packed = packed_of(random, postings._replace(scores=scores), n_items, width)
    lists = random.integers(n_lists, size=(3, width))
    weights = random.random(lists.shape, np.float32) ** 3 if weighted else None
    ids, served, *_ = merger_of(packed).merge(lists, weights, Lists.empty(3), n_items)
    exact, bound = np.zeros((2, 3, n_items))
    for row, column in np.ndindex(lists.shape):
        w = 1.0 if weights is None else float(weights[row, column])
        own = slice(*postings.starts[lists[row, column] : lists[row, column] + 2])
        items, s = postings.items[own], scores[own].astype(np.float64)
        e = np.where(s >= packed.scale / 2, 0.5, 1.0)
        exact[row, items] += w * s
        m = np.maximum(1, s / packed.scale + 0.5)
        bound[row, items] += packed.scale * (w * e + (weighted and m / 65536 + 0.5))
    found = np.zeros_like(exact)
    for row in range(3):
        kept = ids[row] >= 0
        found[row, ids[row, kept]] = served[row, kept]
    assert (np.abs(found - exact) <= bound * (1 + 1e-9) + 2.0**-24 * found).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_is_the_float_merge_up_to_the_rounding_of_scores(seed):
    """The r-th best score of both differs by half a unit for each list, the error of a posting."""
    random = np.random.default_rng(seed)
    n_items, k = 60, 20
    postings = random_postings(random, 9, n_items)
    scores = random.random(postings.scores.size, np.float32) + np.float32(1e-3)
    postings = postings._replace(scores=scores)
    lists, hidden = random.integers(9, size=(6, 4)), Lists.of([[0, 3]] * 6)
    packed = packed_of(random, postings, n_items, 4)
    _, best, n_postings, n_candidates = merger_of(packed).merge(lists, None, hidden, k)
    _, exact, *work = merge_lists(*postings, lists, hidden.indptr, hidden.ids, n_items, k)
    found = np.isfinite(exact)
    np.testing.assert_array_equal(np.isfinite(best), found)
    assert np.abs(best[found] - exact[found]).max(initial=0) <= 4 * packed.scale * 0.501
    assert [n_postings, n_candidates] == work


def test_neither_threads_nor_company_change_an_answer():
    """One query at a time, all at once, and in any number of blocks: the same to the bit."""
    random = np.random.default_rng(0)
    packed = packed_of(random, random_postings(random, 40, 500, 50), 500, 6)
    lists, hidden = random.integers(40, size=(37, 6)), Lists.of([[row, 20] for row in range(37)])
    weights = random.random((37, 6), np.float32)
    merger = merger_of(packed)
    whole = merger.merge(lists, weights, hidden, 30)
    for threads in (2, 3, 64):
        assert_same(merger.merge(lists, weights, hidden, 30, threads=threads), whole)
    for row in range(37):
        alone = merger.merge(
            lists[[row]], weights[[row]], hidden.take(np.array([row])), 30, threads=2
        )
        np.testing.assert_array_equal(alone[0][0], whole[0][row])
        np.testing.assert_array_equal(alone[1][0], whole[1][row])


def test_a_batch_takes_the_threads_that_numba_has(monkeypatch):
    """As many blocks as threads, of 8 queries at least; a query or a few stay on one thread."""
    random = np.random.default_rng(6)
    packed = packed_of(random, random_postings(random, 40, 500, 50), 500, 6)
    lists, hidden = random.integers(40, size=(40, 6)), Lists.empty(40)
    whole = merger_of(packed).merge(lists, None, hidden, 30, threads=1)
    for threads, n, n_workers in ((1, 40, 1), (2, 40, 2), (64, 40, 5), (2, 15, 1), (2, 1, 1)):
        monkeypatch.setattr(packed_merge.numba, "get_num_threads", lambda threads=threads: threads)
        merger = merger_of(packed)
        found = merger.merge(lists[:n], None, Lists.empty(n), 30)
        assert len(merger._workers) == n_workers
        np.testing.assert_array_equal(found[0], whole[0][:n])
        np.testing.assert_array_equal(found[1], whole[1][:n])


def test_a_worker_grows_with_what_is_asked():
    """A later call that reads more lists gets more room, and no answer is lost."""
    random = np.random.default_rng(1)
    packed = packed_of(random, random_postings(random, 20, 800, 50), 800, 8)
    merger = merger_of(packed)
    for width in (1, 8, 2):
        lists = random.integers(20, size=(4, width))
        expected = oracle(packed, lists, None, Lists.empty(4), 50)
        assert_same(merger.merge(lists, None, Lists.empty(4), 50), expected)
    assert merger.nbytes == 832 * 2 + 22 * (800 + 64)


def test_read_only_arrays_are_taken_as_they_are():
    """Arrays of a mapped file may not be written to."""
    random = np.random.default_rng(2)
    packed = packed_of(random, random_postings(random, 5, 30), 30, 2)
    lists, hidden = np.broadcast_to(np.array([[1, 2]]), (3, 2)), Lists.of([[4], [4], [4]])
    for array in (*packed[:4], hidden.ids, hidden.indptr):
        array.flags.writeable = False
    merger = merger_of(packed)
    assert merger._entries is packed.entries
    assert_same(merger.merge(lists, None, hidden, 9), oracle(packed, lists, None, hidden, 9))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_cannot_be_added_up_is_refused(threads):
    """Before anything is added: the next query finds a clear accumulator."""
    packed = PackedPostings(
        np.array([0, 2, 3]), np.array([0 << 16 | 40000, 1 << 16 | 7, 1 << 16 | 30000], np.uint32),
        *np.array([[1, 0], [1, 0]], np.int32), scale=1.0, impact_bits=16,
    )  # fmt: skip
    merger = merger_of(packed)

    def merge(lists, weights=None, hidden=None, k=2, cut=None):
        weights = None if weights is None else np.array(weights, np.float32)
        hidden = Lists.empty(2) if hidden is None else hidden
        return merger.merge(np.array(lists), weights, hidden, k, threads=threads, cut=cut)

    with pytest.raises(ValueError, match="query 1: its lists may add up to more than 65535"):
        merge([[0, -1], [0, 1]])
    with pytest.raises(ValueError, match=r"query 1: lists \[0, 2\]; expected -1 or lists below 2"):
        merge([[0, -1], [0, 2]])
    with pytest.raises(ValueError, match=r"query 0: lists \[-2, 0\]"):
        merge([[-2, 0], [0, -1]])
    for wrong in (-0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"weights \[.*\]; expected .*not negative"):
            merge([[0, 1], [0, 1]], [[0.5, wrong], [0, 0]])
    with pytest.raises(ValueError, match="k = 2 and cut = 0 must be at least 1"):
        merge([[0, 1], [0, 1]], cut=0)
    with pytest.raises(ValueError, match=r"weights \(1, 2\) must have the shape of lists \(2, 2\)"):
        merge([[0, 1], [0, 1]], [[1, 1]])
    with pytest.raises(ValueError, match="hidden has 1 rows, expected one for each of 2 queries"):
        merge([[0, 1], [0, 1]], hidden=Lists.empty(1))
    found = merge([[0, 1], [0, 1]], [[1, 0.5], [0.125, 2]])
    assert found[1].tolist() == [[40000, 15007], [60001, 5000]]
    assert found[0].tolist() == [[1, 0], [0, 1]]


def test_lists_of_another_catalogue_are_refused():
    """Said with both numbers."""
    random = np.random.default_rng(3)
    packed = packed_of(random, random_postings(random, 2, 30), 30, 2)
    with pytest.raises(ValueError, match="number 30 items, expected 31"):
        PackedMerger(packed, 31)


@pytest.mark.parametrize(
    ("dense_s", "dense_from"),
    [
        ((9, 9, 3), 30),  # 9 - 4 = 5 slower at 20, 3 faster at 36: 5/8 of the way
        ((1, 1, 1), 0),
        ((1, 9, 3), 30),  # faster at 10, but not from there on
        ((9, 9, 9), NEVER),
        ((1, 1, 9), NEVER),
    ],
)
def test_dense_begins_where_the_costs_cross_for_good(dense_s, dense_from):
    """Sparse takes 2, 4 and 6 at 10, 20 and 36 postings."""
    assert CostModel((10, 20, 36), (2, 4, 6), dense_s).dense_from == dense_from


def test_the_costs_are_what_was_timed(monkeypatch):
    """A clock that only a merge moves, by p / 2 and 33 + p / 4: they cross at 132 postings."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    starts = np.array([0, 5, 5, 10, 15])

    def merge_as(dense_from, lists, weights, hidden, k, cut):
        assert (weights is None) == (lists.shape[1] <= 16)
        assert cut > 5
        p = np.diff(starts)[lists].sum() / len(lists)
        now[0] += len(lists) * (p / 2 if dense_from else 33 + p / 4)

    costs = fit_cost_model(merge_as, starts, 16)
    assert costs.postings == (20, 80, 160, 320, 640)
    np.testing.assert_allclose(costs.sparse_s, (10, 40, 80, 160, 320))
    np.testing.assert_allclose(costs.dense_s, (38, 53, 73, 113, 193))
    assert costs.dense_from in (132, 133)  # seconds are differences of a clock: rounded
    assert fit_cost_model(merge_as, np.zeros(4, np.int64), 16) == NEVER_DENSE


@pytest.mark.parametrize("longest", [10, 10_000, 500_000, 10_000_000])
def test_costs_take_a_second_whatever_the_index(longest):
    """So many postings are read for a point, and never less than a query thrice both ways."""
    read, queries = {}, {}
    starts = np.arange(41) * longest

    def merge_as(dense_from, lists, weights, hidden, k, cut):
        width = lists.shape[1]
        read[width] = read.get(width, 0) + lists.size * min(longest, cut)
        queries.setdefault(width, []).append(len(lists))

    costs = fit_cost_model(merge_as, starts, 16)
    for width, many in queries.items():
        assert read[width] <= 1.5 * READ
        assert len(many) >= 2 * LEAST_TURNS
        each = read[width] / sum(many)
        assert any(one == pytest.approx(each) for one in costs.postings)
    if longest == 10:
        assert {(len(many), *set(many)) for many in queries.values()} == {(2 * TURNS, QUERIES)}


def test_a_fitted_merger_answers_the_same():
    """Whatever was measured."""
    random = np.random.default_rng(4)
    packed = packed_of(random, random_postings(random, 20, 300, 9), 300, 6)
    lists = random.integers(20, size=(9, 6))
    fitted = PackedMerger(packed, 300)
    assert min(*fitted.costs.sparse_s, *fitted.costs.dense_s) > 0
    assert_same(
        fitted.merge(lists, None, Lists.empty(9), 30),
        merger_of(packed).merge(lists, None, Lists.empty(9), 30),
    )


def test_costs_come_back_from_what_a_file_holds(monkeypatch):
    """To seven digits, in as many bytes whatever they are; not on another processor."""
    costs = CostModel((10.0, 20.0), (2e-6, 4.1234567e-6), (1e-3, 1.0))
    facts = json.loads(json.dumps(costs.facts()))
    found = CostModel.of_facts(facts)
    assert found.postings == costs.postings
    np.testing.assert_allclose(found.sparse_s, costs.sparse_s, rtol=1e-6)
    np.testing.assert_allclose(found.dense_s, costs.dense_s, rtol=1e-6)
    others = CostModel((9.9e9, 1.0), (0.0, 0.123456789), (7.0, 3e-12)).facts()
    assert len(json.dumps(others)) == len(json.dumps(facts))
    assert CostModel.of_facts(NEVER_DENSE.facts()) == NEVER_DENSE
    assert CostModel.of_facts(None) is None
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "another")
    assert CostModel.of_facts(facts) is None


def test_what_compiling_cost_is_told():
    """Nothing of functions that came from the cache; else the seconds since the clock was read."""
    warm, cold = (SimpleNamespace(stats=SimpleNamespace(cache_misses=one)) for one in ({}, {0: 1}))
    begun = time.perf_counter() - 5
    assert compiled_s(begun, warm, warm) == 0
    assert 5 <= compiled_s(begun, warm, cold) < 60
    assert (COMPILE_S > 0) == bool(merge_rows.stats.cache_misses)

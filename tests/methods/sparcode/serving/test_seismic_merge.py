"""Seismic behind the merge: whole sums of what it finds, around hidden items, saved and loaded."""

import importlib.util

import numpy as np
import pytest

from harness.errors import MethodError
from harness.lists import Lists
from harness.topk import select_top_k
from methods.sparcode.index.packed import pack
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving import seismic_engine, seismic_merge
from methods.sparcode.serving.packed_merge import PackedMerger
from methods.sparcode.serving.seismic_engine import SeismicBlocks
from methods.sparcode.serving.seismic_merge import SeismicMerger

N_ITEMS, N_LISTS, WIDTH, N, K = 400, 30, 6, 24, 20
HALF = 2.0**-11  # a half float's relative error

installed = pytest.mark.skipif(
    importlib.util.find_spec("seismic") is None, reason="seismic is not installed"
)


def drawn(n_lists=N_LISTS, size=1.0):
    """Return lists of 0 to 60 of the even items; lists 4 and the last two are empty."""
    random = np.random.default_rng(5)
    lengths = random.integers(1, 60, n_lists)
    lengths[[4, -1, -2]] = 0
    items = [np.sort(random.choice(N_ITEMS // 2, n, replace=False)) * 2 for n in lengths]
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    scores = (random.random(int(starts[-1])) + 0.01) * size
    return Postings(starts, np.concatenate(items).astype(np.int32), scores.astype(np.float32))


def dense(postings):
    """Return the scores as a matrix, float64 (n_lists, N_ITEMS)."""
    out = np.zeros((postings.lengths.size, N_ITEMS))
    rows = np.repeat(np.arange(postings.lengths.size), postings.lengths)
    out[rows, postings.items] = postings.scores
    return out


def sums(postings, lists, weights):
    """Return brute-force sums, float64 (n, N_ITEMS)."""
    out, scores = np.zeros((len(lists), N_ITEMS)), dense(postings)
    for row, column in np.ndindex(lists.shape):
        if lists[row, column] >= 0:
            out[row] += weights[row, column] * scores[lists[row, column]]
    return out


def asked(n_lists=N_LISTS):
    """Return lists, -1 and repeated ones among them, weights, 0 among them, and hidden items."""
    random = np.random.default_rng(6)
    lists = random.integers(-1, n_lists, (N, WIDTH))
    lists[0, 1] = lists[0, 0] = 2
    weights = random.random((N, WIDTH)).astype(np.float32)
    weights[1, 0] = 0
    hidden = [np.sort(random.choice(N_ITEMS, random.integers(90), replace=False)) for _ in lists]
    return lists, weights, Lists.of([one.tolist() for one in hidden])


def generous(postings, blocks=None):
    """Return a merger that leaves nothing out."""
    merger = SeismicMerger.of(postings, blocks)
    merger.query_cut, merger.heap_factor = WIDTH, 0.0
    return merger


def same_up_to_half_floats(found, expected, totals):
    """Scores are the best sums within a half float's error, and of the items they stand with."""
    ids, scores = found[:2]
    kept = np.isfinite(expected.scores)
    np.testing.assert_array_equal(ids >= 0, kept)
    np.testing.assert_array_equal(np.isfinite(scores), kept)
    np.testing.assert_allclose(scores[kept], expected.scores[kept], rtol=HALF)
    rows = np.nonzero(kept)[0]
    np.testing.assert_allclose(scores[kept], totals[rows, ids[kept]], rtol=HALF)


@installed
@pytest.mark.parametrize("k", [1, K, N_ITEMS])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e-30, 1e20])
def test_what_opens_everything_finds_the_best_sums(k, weighted, size):
    """The k largest sums by brute force, hidden items left out, pads where fewer are positive."""
    postings = drawn(size=size)
    lists, weights, hidden = asked()
    given = weights if weighted else None
    totals = sums(postings, lists, weights if weighted else np.ones(lists.shape))
    visible = np.where(totals > 0, totals, -np.inf).astype(np.float32)
    found = generous(postings).merge(lists, given, hidden, k)
    same_up_to_half_floats(found, select_top_k(visible, k, hidden), totals)
    assert found[2:] == (0, 0)
    for row, ids in enumerate(found[0]):
        assert not set(ids.tolist()) & set(hidden.row(row).tolist())


@installed
def test_it_answers_as_the_packed_merge_does():
    """Both within their error of each other: half a unit of impact a posting, a half float."""
    postings = drawn()
    lists, _, hidden = asked()
    packed = pack(postings, np.bincount(postings.items, minlength=N_ITEMS), WIDTH)
    first = PackedMerger(packed, N_ITEMS).merge(lists, None, hidden, K)
    second = generous(postings).merge(lists, None, hidden, K)
    np.testing.assert_array_equal(first[0] >= 0, second[0] >= 0)
    kept = first[0] >= 0
    room = (WIDTH + 1) * packed.scale
    np.testing.assert_allclose(first[1][kept], second[1][kept], rtol=HALF, atol=room)


@installed
def test_lists_beyond_16_bits(monkeypatch):
    """The class for more lists gives the same answers, and is what a file is read with."""
    lists, weights, hidden = asked()
    small = generous(drawn()).merge(lists, weights, hidden, K)
    monkeypatch.setattr(seismic_engine, "SMALL_LISTS", N_LISTS - 1)
    large = generous(drawn())
    assert type(large._index).__name__ == "SeismicIndexRawLV"
    for one, other in zip(small, large.merge(lists, weights, hidden, K), strict=True):
        np.testing.assert_array_equal(one, other)


@installed
def test_ties_go_to_the_smaller_item():
    """Four items of one score: in order of their ids, whatever order Seismic has."""
    postings = Postings(
        np.array([0, 4]), np.array([3, 7, 8, 9], np.int32), np.full(4, 0.5, np.float32)
    )
    ids, scores, _, _ = generous(postings).merge(np.array([[0]]), None, Lists.empty(1), 6)
    assert ids.tolist() == [[3, 7, 8, 9, -1, -1]]
    assert scores[0].tolist() == [0.5] * 4 + [-np.inf] * 2


@installed
def test_query_cut_opens_the_lists_named_first():
    """Of lists of equal weight the first is opened; what is found there has its whole sum."""
    postings = drawn()
    merger, scores = generous(postings), dense(postings)
    merger.query_cut = 1
    lists = np.array([[20, 3], [3, 20]])
    ids, found, _, _ = merger.merge(lists, None, Lists.empty(2), N_ITEMS)
    for row, one in enumerate((20, 3)):
        kept = ids[row][ids[row] >= 0]
        assert sorted(kept.tolist()) == np.flatnonzero(scores[one]).tolist()
        whole = (scores[20] + scores[3])[kept]
        np.testing.assert_allclose(found[row, : kept.size], whole, rtol=HALF)


@installed
def test_a_large_heap_factor_loses_items_and_never_alters_a_sum():
    """Blocks left out cost answers: fewer of the best are found, each with its whole sum."""
    random = np.random.default_rng(2)
    lengths = np.full(8, 300)
    items = np.concatenate([np.sort(random.choice(N_ITEMS, 300, replace=False)) for _ in lengths])
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    postings = Postings(starts, items.astype(np.int32), random.random(2400, dtype=np.float32))
    merger = generous(postings, SeismicBlocks(summary_energy=0.2))
    lists = np.array([[0, 1, 2, 3, 4, 5]])
    totals = sums(postings, lists, np.ones(lists.shape))
    best = set(np.argsort(-totals[0])[:K].tolist())
    shares = []
    for merger.heap_factor in (0.0, 2.0):
        ids, scores, _, _ = merger.merge(lists, None, Lists.empty(1), K)
        np.testing.assert_allclose(scores[0], totals[0, ids[0]], rtol=HALF)
        shares.append(len(best & set(ids[0].tolist())) / K)
    assert shares[0] >= 0.9  # half floats may swap what is nearly equal
    assert shares[1] < shares[0]


@installed
def test_saved_and_loaded_it_is_the_same(tmp_path):
    """Answers and bytes; the settings of a search are whoever searches to set."""
    made = generous(drawn())
    lists, weights, hidden = asked()
    made.save(tmp_path)
    loaded = SeismicMerger.load(tmp_path)
    loaded.query_cut, loaded.heap_factor = made.query_cut, made.heap_factor
    before, after = (one.merge(lists, weights, hidden, K) for one in (made, loaded))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])
    assert made.nbytes == loaded.nbytes > 8 * drawn().items.size
    assert made.n_postings == loaded.n_postings == drawn().items.size
    assert made.covered == np.unique(drawn().items).size


@installed
def test_a_file_that_is_no_index_is_refused(monkeypatch, tmp_path):
    """Whole bytes that Seismic cannot read: an error of ours that names the file."""
    made = generous(drawn())
    wrong = np.frombuffer(b"no index", np.uint8)
    monkeypatch.setattr(seismic_merge, "content_of", lambda index: wrong)
    made.save(tmp_path)
    with pytest.raises(MethodError, match=r"index\.npy: Seismic cannot read it"):
        SeismicMerger.load(tmp_path)


@installed
def test_nothing_is_printed(capfd, tmp_path):
    """What Seismic says on standard output while it builds and saves does not come through."""
    generous(drawn()).save(tmp_path)
    assert capfd.readouterr().out == ""


@installed
@pytest.mark.parametrize("wrong", [-2, N_LISTS])
def test_lists_that_are_not_there_are_refused(wrong):
    """Seismic would abort on them; the query is named."""
    lists = np.array([[0, 1], [2, wrong]])
    with pytest.raises(ValueError, match=r"query 1: .* expected -1 or lists below 30"):
        generous(drawn()).merge(lists, None, Lists.empty(2), K)


@installed
@pytest.mark.parametrize("wrong", [-0.5, np.nan])
def test_weights_that_are_none_are_refused(wrong):
    """Negative, or no number."""
    weights = np.array([[1, wrong]], np.float32)
    with pytest.raises(ValueError, match=r"query 0: .* not negative"):
        generous(drawn()).merge(np.array([[0, 1]]), weights, Lists.empty(1), K)


@installed
def test_what_seismic_cannot_do_is_said():
    """No part of a list can be read, no index made of nothing."""
    with pytest.raises(ValueError, match="cut = 9"):
        generous(drawn()).merge(np.array([[0]]), None, Lists.empty(1), K, cut=9)
    nothing = Postings(np.zeros(4, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    with pytest.raises(MethodError, match="no list has a posting"):
        SeismicMerger.of(nothing)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    """Where Seismic is not installed, the error says what to install."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("methods.sparcode.serving.seismic_engine.importlib.import_module", missing)
    with pytest.raises(MethodError, match="install the extra `seismic`"):
        SeismicMerger.of(drawn())

"""Packed lists merged on a device, in every way there is, against whole numbers added by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from harness.topk import PAD_ID, PAD_SCORE
from methods.sparcode.index.packed import PackedPostings
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving import device_merger, triton_merge
from methods.sparcode.serving.device_merger import DeviceMerger, to_host
from methods.sparcode.serving.packed_batch import LOW, decode
from methods.sparcode.serving.torch_merge import merge_by_scatter, merge_by_sort
from methods.sparcode.serving.triton_merge import TritonMerge

needs_triton = pytest.mark.skipif(not triton_merge.AVAILABLE, reason="triton is not installed")
WAYS = [
    ("cpu", "scatter"),
    ("cpu", "sort"),
    pytest.param("cuda", "scatter", marks=[pytest.mark.gpu]),
    pytest.param("cuda", "sort", marks=[pytest.mark.gpu]),
    pytest.param("cuda", "triton_rows", marks=[pytest.mark.gpu, needs_triton]),
    pytest.param("cuda", "triton_sort", marks=[pytest.mark.gpu, needs_triton]),
]


def random_packed(random, n_lists, n_items, longest, impact_bits, top):
    """Return packed lists of any length up to ``longest``, impacts 1 to ``top``, so that sums tie.

    ``longest`` is cut to the catalogue; the order of places is random.
    """
    items = random.permutation(n_items).astype(np.int32)
    places = np.empty(n_items, np.int32)
    places[items] = np.arange(n_items, dtype=np.int32)
    lists = []
    for _ in range(n_lists):
        length = random.integers(min(longest, n_items) + 1)
        chosen = random.choice(n_items, length, replace=False).astype(np.uint32)
        impact = np.sort(random.integers(1, top + 1, length))[::-1].astype(np.uint32)
        lists.append((chosen << np.uint32(impact_bits)) | impact)
    starts = np.concatenate(([0], np.cumsum([len(one) for one in lists]))).astype(np.int64)
    entries = np.concatenate(lists).astype(np.uint32)
    scale = float(random.uniform(1e-4, 3))
    return PackedPostings(starts, entries, items, places, scale, impact_bits)


def by_hand(packed, lists, weights, hidden, k, cut=None):
    """Return what a merge returns: a dictionary from item to sum for each query, then sorted."""
    n = len(lists)
    ids = np.full((n, k), PAD_ID, np.int64)
    scores = np.full((n, k), PAD_SCORE, np.float32)
    n_postings = n_candidates = 0
    for q in range(n):
        sums = {}
        for column, one in enumerate(lists[q].tolist()):
            if one < 0:
                continue
            for entry in packed.entries[packed.starts[one] : packed.starts[one + 1]][:cut].tolist():
                place, impact = entry >> packed.impact_bits, entry % (1 << packed.impact_bits)
                if weights is not None:
                    fixed = int(np.rint(weights[q, column] * np.float32(2**15)))
                    impact = (impact * fixed + 2**14) >> 15
                item = int(packed.items[place])
                sums[item] = sums.get(item, 0) + impact
                n_postings += 1
        positive = {item: total for item, total in sums.items() if total > 0}
        n_candidates += len(positive)
        gone = set(hidden.row(q).tolist())
        order = sorted((-total, item) for item, total in positive.items() if item not in gone)
        for rank, (total, item) in enumerate(order[:k]):
            ids[q, rank], scores[q, rank] = item, np.float32(-total) * np.float32(packed.scale)
    return ids, scores, n_postings, n_candidates


def random_queries(random, n, n_lists, n_columns, n_items, *, weighted, most_hidden):
    """Return lists with gaps and repeats, weights or None, and hidden items."""
    lists = random.integers(-1, n_lists, size=(n, n_columns))
    weights = random.random((n, n_columns), np.float32) if weighted else None
    hidden = [
        sorted(random.permutation(n_items)[: random.integers(most_hidden + 1)].tolist())
        for _ in range(n)
    ]
    return lists, weights, Lists.of(hidden)


def assert_equals_by_hand(packed, device, way, lists, weights, hidden, k, cut=None):
    merger = DeviceMerger(packed, packed.items.size, device)
    batch = merger.place(lists, weights, hidden, cut=cut)
    if not merger.can(way, batch, k):
        pytest.skip(f"{way} does not serve {batch.most} postings")
    found = merger.merge_placed(batch, k, way)
    ids, scores, n_postings, n_candidates = by_hand(packed, lists, weights, hidden, k, cut)
    best = to_host(found)
    np.testing.assert_array_equal(best.ids, ids)
    np.testing.assert_array_equal(best.scores, scores)
    assert (int(found.n_postings), int(found.n_candidates)) == (n_postings, n_candidates)


@pytest.mark.parametrize(("device", "way"), WAYS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_way_adds_up_the_same_whole_numbers(device, way, seed):
    """Ids, scores and counts are equal to the bit.

    Among the cases: ties, lists without postings, one list named twice, no list, lists read in
    part, weights that round a posting to nothing, everything hidden, k beyond the candidates, one
    item, one list.
    """
    random = np.random.default_rng(seed)
    n_items, n_lists, n, n_columns = (int(random.integers(1, top)) for top in (40, 12, 9, 6))
    k = int(random.integers(1, n_items + 1))
    bits = int(random.integers(6, 14))
    top = int(random.choice([1, 3, 2**bits - 1]))
    packed = random_packed(random, n_lists, n_items, n_items, bits, top)
    queries = random_queries(
        random, n, n_lists, n_columns, n_items, weighted=seed % 2 == 0, most_hidden=n_items
    )
    cut = int(random.integers(1, n_items + 1)) if seed % 3 == 0 else None
    assert_equals_by_hand(packed, device, way, *queries, k, cut)


@pytest.mark.parametrize(("device", "way"), WAYS)
@pytest.mark.parametrize(
    ("n_items", "longest", "n_columns", "k", "weighted"),
    [(3000, 100, 8, 100, False), (3000, 400, 12, 100, True), (20_000, 1000, 16, 300, True)],
)
def test_long_lists(device, way, n_items, longest, n_columns, k, weighted):
    """Lists of the lengths that serve, many ties, and entries whose top bit is set."""
    random = np.random.default_rng(n_items + longest)
    bits = 32 - int(n_items - 1).bit_length()
    packed = random_packed(random, 50, n_items, longest, bits, 60)
    queries = random_queries(random, 6, 50, n_columns, n_items, weighted=weighted, most_hidden=400)
    assert_equals_by_hand(packed, device, way, *queries, k)


@pytest.mark.gpu
@needs_triton
@pytest.mark.parametrize("way", ["triton_rows", "triton_sort"])
def test_programs_take_turns(way, monkeypatch):
    """Two programs answer 50 queries one after another, three times, and leave nothing behind."""
    random = np.random.default_rng(11)
    packed = random_packed(random, 30, 500, 90, 10, 5)
    queries = random_queries(random, 50, 30, 6, 500, weighted=False, most_hidden=60)
    monkeypatch.setattr(triton_merge, "SCRATCH_BYTES", 2 * 4 * 500)
    merger = DeviceMerger(packed, 500, "cuda")
    assert merger.triton.programs_with_row == 2
    merger.triton.programs = 2
    batch = merger.place(*queries)
    ids, scores, *counts = by_hand(packed, *queries, 20)
    for _ in range(3):
        found = merger.merge_placed(batch, 20, way)
        np.testing.assert_array_equal(to_host(found).ids, ids)
        np.testing.assert_array_equal(to_host(found).scores, scores)
        assert [int(found.n_postings), int(found.n_candidates)] == counts
    rows = 2 * 4 * 500 if way == "triton_rows" else 0
    assert merger.nbytes == merger.postings.nbytes + rows


@pytest.mark.gpu
@needs_triton
def test_rows_are_left_for_sorting_where_the_catalogue_is_large(monkeypatch):
    """A batch that could fill the device, with rows for two programs, is sorted; one query not."""
    packed = random_packed(np.random.default_rng(12), 30, 500, 90, 10, 5)
    monkeypatch.setattr(triton_merge, "SCRATCH_BYTES", 2 * 4 * 500)
    merger = DeviceMerger(packed, 500, "cuda")
    for n, way in [(1, "triton_rows"), (17, "triton_sort")]:
        assert merger.way(merger.place(np.zeros((n, 1), int), None, Lists.empty(n)), 5) == way


def test_a_weight_above_one_is_known():
    """Sorting in registers keeps a weighted impact in the bits of an impact: not with weight 2."""
    merger = DeviceMerger(random_packed(np.random.default_rng(13), 3, 9, 4, 8, 3), 9, "cpu")
    for weight, fits in [(1.0, True), (1.5, False)]:
        weights = np.array([[weight, 0.5]], np.float32)
        batch = merger.place(np.array([[0, 1]]), weights, Lists.empty(1))
        assert batch.at_most_one is fits
        assert TritonMerge.fits(batch, 5, sort=True) is fits
        assert TritonMerge.fits(batch, 5, sort=False)


@pytest.mark.parametrize(("device", "way"), WAYS[:2])
def test_blocks_change_nothing(device, way, monkeypatch):
    """Room for three queries at a time gives what room for all gives, hidden items included."""
    random = np.random.default_rng(3)
    packed = random_packed(random, 8, 30, 30, 8, 3)
    queries = random_queries(random, 20, 8, 3, 30, weighted=False, most_hidden=10)
    monkeypatch.setattr(device_merger, "BLOCK_SUMS", 3 * 30)
    monkeypatch.setattr(device_merger, "BLOCK_POSTINGS", 3 * 90)
    assert_equals_by_hand(packed, device, way, *queries, 5)


def test_merge_is_place_find_and_fetch():
    """The call for host arrays returns the same, and marks transfer, scoring, transfer."""
    random = np.random.default_rng(4)
    packed = random_packed(random, 8, 30, 20, 8, 3)
    queries = random_queries(random, 7, 8, 3, 30, weighted=True, most_hidden=10)
    stages = []
    best, *counts = DeviceMerger(packed, 30, "cpu").merge(*queries, 5, stages.append)
    ids, scores, *expected = by_hand(packed, *queries, 5)
    np.testing.assert_array_equal(best.ids, ids)
    np.testing.assert_array_equal(best.scores, scores)
    assert counts == expected
    assert stages == ["transfer", "scoring", "transfer"]


@pytest.mark.parametrize("merge", [merge_by_scatter, merge_by_sort])
def test_no_queries(merge):
    """No queries give no answers."""
    merger = DeviceMerger(random_packed(np.random.default_rng(5), 3, 9, 4, 8, 3), 9, "cpu")
    found = merge(merger.postings, merger.place(np.zeros((0, 2), int), None, Lists.empty(0)), 4)
    assert found.ids.shape == (0, 4)
    assert (int(found.n_postings), int(found.n_candidates)) == (0, 0)


def test_a_score_is_a_product_of_float32():
    """As on the CPU: float32(0.1) times 9, which is the float after 0.9."""
    keys = torch.tensor([[9 << 32 | (LOW - 7), 0]])
    ids, scores = decode(keys, torch.tensor([0.1], dtype=torch.float32))
    assert ids.tolist() == [[7, PAD_ID]]
    assert scores[0, 0].item() == np.float32(0.1) * np.float32(9) != np.float32(0.9)


def test_what_is_chosen_depends_on_postings_and_catalogue():
    """On the CPU never Triton; few postings are sorted, many go to dense rows."""
    postings = Postings(
        np.array([0, 10, 500]), np.arange(500, dtype=np.int32), np.ones(500, np.float32)
    )
    entries = (postings.items.astype(np.uint32) << np.uint32(8)) | np.uint32(1)
    order = np.arange(1000, dtype=np.int32)
    packed = PackedPostings(postings.starts, entries, order, order, 1.0, 8)
    merger = DeviceMerger(packed, 1000, "cpu")
    for lists, way in [([[0]], "sort"), ([[1]], "scatter")]:
        assert merger.way(merger.place(np.array(lists), None, Lists.empty(1)), 5) == way


def test_its_account_is_the_bytes_it_holds():
    """Four bytes a posting, 8 a list and one more, 8 an item, 4 for the scale."""
    packed = random_packed(np.random.default_rng(6), 4, 10, 9, 8, 3)
    expected = 4 * packed.entries.size + 8 * 5 + 8 * 10 + 4
    assert DeviceMerger(packed, 10, "cpu").nbytes == expected


def test_arrays_may_be_read_only_and_have_gaps():
    """Lists of a mapped file, and queries that are a view, are taken without a warning."""
    random = np.random.default_rng(14)
    packed = random_packed(random, 8, 30, 20, 8, 3)
    lists, weights, hidden = random_queries(random, 7, 8, 6, 30, weighted=True, most_hidden=10)
    for array in (packed.starts, packed.entries, packed.items, packed.places, lists, hidden.ids):
        array.setflags(write=False)
    assert_equals_by_hand(packed, "cpu", "sort", lists[:, ::2], weights[:, ::2], hidden, 5)


def test_lists_of_another_catalogue_are_refused():
    """The number of items is that of the lists."""
    packed = random_packed(np.random.default_rng(7), 2, 10, 4, 8, 3)
    with pytest.raises(ValueError, match="lists of 10 items for a catalogue of 11"):
        DeviceMerger(packed, 11, "cpu")


def test_triton_refuses_the_host():
    """Without a CUDA device there is no kernel to launch, and the error says so."""
    packed = random_packed(np.random.default_rng(8), 2, 10, 4, 8, 3)
    with pytest.raises(ValueError, match="needs a CUDA device"):
        TritonMerge(DeviceMerger(packed, 10, "cpu").postings)

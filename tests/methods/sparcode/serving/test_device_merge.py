"""The merge by torch against the merge by numba: the same lists, the same sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving import device_merge
from methods.sparcode.serving.device_merge import DeviceMerge
from methods.sparcode.serving.merge import merge_lists

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.gpu]),
]


def random_postings(random, n_lists, n_items):
    """Return lists of any length up to the catalogue, scores of few values so that totals tie."""
    lists = [
        np.sort(random.permutation(n_items)[: random.integers(n_items + 1)]) for _ in range(n_lists)
    ]
    starts = np.concatenate(([0], np.cumsum([len(one) for one in lists]))).astype(np.int64)
    items = np.concatenate(lists).astype(np.int32)
    scores = random.integers(1, 4, items.size).astype(np.float32) / 3
    return Postings(starts, items, scores)


@pytest.mark.parametrize("device", DEVICES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_it_equals_the_merge_on_the_cpu(device, seed):
    """Ids and scores are equal to the bit: ties, hidden items, empty lists, a list named twice."""
    random = np.random.default_rng(seed)
    n_items, n_lists, n, k_lists = (int(random.integers(1, top)) for top in (40, 12, 9, 6))
    k = int(random.integers(1, n_items + 1))
    postings = random_postings(random, n_lists, n_items)
    lists = random.integers(n_lists, size=(n, k_lists))
    hidden = Lists.of(
        [
            sorted(random.permutation(n_items)[: random.integers(n_items + 1)].tolist())
            for _ in range(n)
        ]
    )
    found, n_postings, n_candidates = DeviceMerge(postings, n_items, device).merge(lists, hidden, k)
    ids, scores, expected_postings, expected_candidates = merge_lists(
        *postings, lists, hidden.indptr, hidden.ids, n_items, k
    )
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_array_equal(found.scores, scores)
    assert (n_postings, n_candidates) == (expected_postings, expected_candidates)


def test_blocks_change_nothing(monkeypatch):
    """A catalogue that leaves room for one query at a time gives the same."""
    random = np.random.default_rng(3)
    postings = random_postings(random, 8, 30)
    lists, hidden = random.integers(8, size=(20, 3)), Lists.empty(20)
    whole = DeviceMerge(postings, 30, "cpu").merge(lists, hidden, 5)
    monkeypatch.setattr(device_merge, "BLOCK_SCORES", 30)
    parts = DeviceMerge(postings, 30, "cpu").merge(lists, hidden, 5)
    np.testing.assert_array_equal(whole[0].ids, parts[0].ids)
    assert whole[1:] == parts[1:]


def test_its_account_is_the_bytes_it_holds():
    """Two int64 and a float32 array."""
    postings = Postings(np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32))
    assert DeviceMerge(postings, 2, "cpu").nbytes == 2 * 8 + 2 * 8 + 2 * 4

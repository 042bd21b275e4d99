"""Search around hidden items: nothing hidden comes back, nothing else is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from harness.stages import no_mark
from harness.topk import PAD_ID, PAD_SCORE, TopK, drop_hidden, select_top_k
from methods.ann.torch_flat import TorchFlat
from methods.ann.vector_index import order_ties, search_around_hidden
from methods.ann.visible import falls, first_visible, write_pad_scores

N_ITEMS = 12


class Watched(TorchFlat):
    """Notes how many neighbours are asked for."""

    def search(self, queries, k, mark=no_mark):
        self.asked = [*getattr(self, "asked", []), (len(queries), k)]
        return super().search(queries, k, mark)


def index_of(items):
    index = Watched("cpu")
    index.add(items)
    return index


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.lists(st.sets(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS), min_size=1, max_size=5),
    k=st.integers(1, N_ITEMS),
    seed=st.integers(0, 99),
)
def test_the_best_that_are_not_hidden(hidden, k, seed):
    """Against brute force with small whole numbers, so that scores are exact and tie."""
    random = np.random.default_rng(seed)
    items = random.integers(-2, 3, size=(N_ITEMS, 3)).astype(np.float32)
    queries = random.integers(-2, 3, size=(len(hidden), 3)).astype(np.float32)
    lists = Lists.of([sorted(one) for one in hidden])
    found = search_around_hidden(index_of(items), queries, lists, k)
    best = select_top_k(queries @ items.T, k, lists)
    np.testing.assert_array_equal(found.scores, best.scores)
    for row, ids in enumerate(found.ids):
        kept = ids[ids >= 0]
        assert not set(kept.tolist()) & hidden[row]
        np.testing.assert_array_equal(items[kept] @ queries[row], found.scores[row][: kept.size])


def test_one_heavy_user_does_not_make_the_others_pay():
    """Three queries hide nothing and ask for 2; the one that hides 3 asks for 3 more."""
    index = index_of(np.eye(N_ITEMS, dtype=np.float32))
    hidden = Lists.of([[], [], list(range(3)), []])
    search_around_hidden(index, np.ones((4, N_ITEMS), np.float32), hidden, 2)
    assert index.asked == [(3, 2), (1, 5)]


def test_what_a_query_asks_for_is_its_own_affair():
    """Hiding 0 to 9: 0, 1, 3, 7 or 15 more, alone as in company, never above the catalogue."""
    lists = [list(range(n)) for n in range(10)]
    expected = [min(2 + more, N_ITEMS) for more in (0, 1, 3, 3, 7, 7, 7, 7, 15, 15)]
    queries = np.ones((10, N_ITEMS), np.float32)
    index = index_of(np.eye(N_ITEMS, dtype=np.float32))
    for row, one in enumerate(lists):
        search_around_hidden(index, queries[:1], Lists.of([one]), 2)
        assert index.asked.pop() == (1, expected[row])
    search_around_hidden(index, queries, Lists.of(lists), 2)
    assert index.asked == [(expected.count(k), k) for k in sorted(set(expected))]


def test_no_queries():
    """An empty batch has an empty answer."""
    index = index_of(np.eye(N_ITEMS, dtype=np.float32))
    found = search_around_hidden(index, np.ones((0, N_ITEMS), np.float32), Lists.empty(0), 3)
    assert found.ids.shape == (0, 3)


def test_order_of_ties():
    """Scores 1 2 2 of items 5 4 3 become items 3 4 5."""
    found = order_ties(np.array([[5, 4, 3]]), np.array([[1, 2, 2]], np.float32))
    assert found.ids.tolist() == [[3, 4, 5]]
    assert found.scores.tolist() == [[2, 2, 1]]


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=4),
    k=st.integers(1, 8),
    seed=st.integers(0, 99),
)
def test_first_visible_is_what_numpy_drops(hidden, k, seed):
    """Hidden ids in any order, more than once; pads anywhere; against `drop_hidden`."""
    random = np.random.default_rng(seed)
    ids = np.argsort(random.random((len(hidden), 10)), axis=1)[:, :7]
    ids[random.random(ids.shape) < 0.2] = PAD_ID
    scores = random.random(ids.shape).astype(np.float32)
    scores[ids == PAD_ID] = PAD_SCORE
    found, lists = TopK(ids, scores), Lists.of(hidden)
    kept, expected = first_visible(found, lists, k), drop_hidden(found, lists, k)
    np.testing.assert_array_equal(kept.ids, expected.ids)
    np.testing.assert_array_equal(kept.scores, expected.scores)


def test_what_is_out_of_order_is_seen():
    """In the second row, an equal pair or a rise; one column has no order."""
    for second in ([3, 2, 1], [3, 3, 1], [3, 1, 2]):
        scores = np.array([[9, 8, 7], second], np.float32)
        assert falls(scores) == (second == [3, 2, 1])
    assert falls(np.ones((2, 1), np.float32))


def test_pads_get_their_score():
    """What a library gave them goes, the rest stays."""
    scores = np.array([[5.0, -9.0]], np.float32)
    write_pad_scores(np.array([[3, PAD_ID]]), scores)
    assert scores.tolist() == [[5.0, PAD_SCORE]]

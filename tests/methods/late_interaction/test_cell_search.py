"""Cells of tokens: what they hold; candidates and scores against plain loops; nothing pruned."""

import numba
import numpy as np
import pytest

from harness.errors import MethodError
from harness.lists import Lists
from harness.stages import no_mark
from harness.topk import PAD_ID, select_top_k
from methods.late_interaction import cell_search
from methods.late_interaction.cell_search import CellSearch, best_of
from methods.late_interaction.cells import TokenCells
from methods.late_interaction.kmeans import centroids_of, nearest_of
from methods.late_interaction.maxsim_params import MaxSimSearch

N, L, S, DIM, NLIST, K = 9, 4, 3, 6, 7, 5
N_ITEMS = 50


@pytest.fixture(scope="module")
def tokens():
    """Return the tokens of 50 items; items 40 to 49 have one, the others three."""
    made = np.random.default_rng(0).normal(size=(N_ITEMS, S, DIM)).astype(np.float32)
    made[40:, 1:] = made[40:, :1]
    made[10:15] = made[:5]  # items that tie
    return made


@pytest.fixture(scope="module")
def queries():
    """Return tokens of queries; query 0 has none, query 1 has one."""
    made = np.random.default_rng(1).normal(size=(N, L, DIM)).astype(np.float32)
    made[0], made[1, 1:] = 0, 0
    return made


@pytest.fixture(scope="module")
def hidden():
    return Lists.of([[], [0, 3], *[[row, row + 20] for row in range(2, N)]])


@pytest.fixture(scope="module")
def cells(tokens):
    return TokenCells.of(tokens, NLIST, 1000, 3)


def exact(queries, tokens):
    products = np.einsum("nld,isd->nlis", queries.astype(np.float64), tokens.astype(np.float64))
    return products.max(axis=3).sum(axis=1).astype(np.float32)


def test_cells_hold_every_token_once(cells, tokens):
    """Each in its nearest cell; equal ones of an item once; places and codes lead back."""
    assert len(cells.vectors) == 40 * 3 + 10
    np.testing.assert_array_equal(cells.tokens(np.arange(N_ITEMS)), tokens)
    away = ((cells.vectors[:, None] - cells.centroids) ** 2).sum(axis=2)
    of_place = np.repeat(np.arange(cells.nlist), np.diff(cells.starts))
    np.testing.assert_array_equal(of_place, away.argmin(axis=1))
    np.testing.assert_array_equal(of_place[cells.places], cells.codes)
    expected = np.broadcast_to(np.arange(N_ITEMS)[:, None], cells.places.shape)
    np.testing.assert_array_equal(cells.items[cells.places], expected)


def test_kmeans_finds_separate_clumps():
    """Three far clumps, three centroids: their means; and each k-means step lowers the loss."""
    random = np.random.default_rng(0)
    middles = np.array([[0, 0], [100, 0], [0, 100]], np.float32)
    points = np.repeat(middles, 40, axis=0) + random.normal(size=(120, 2)).astype(np.float32)
    best = min(
        (centroids_of(points, 3, 1000, seed) for seed in range(5)),
        key=lambda one: ((points - one[nearest_of(points, one)]) ** 2).sum(),
    )
    means = points.reshape(3, 40, 2).mean(axis=1)
    order = [int(((best - one) ** 2).sum(axis=1).argmin()) for one in means]
    np.testing.assert_allclose(best[order], means, rtol=1e-4, atol=1e-3)


def test_equal_tokens_make_one_centroid():
    """Four different vectors a hundred times: no more centroids than four; too many are refused."""
    points = np.repeat(np.eye(4, dtype=np.float32), 100, axis=0)
    assert len(centroids_of(points, 20, 1000, 0)) == 4
    with pytest.raises(MethodError, match="nlist = 500 exceeds the 400 tokens"):
        centroids_of(points, 500, 1000, 0)


@pytest.mark.parametrize(
    "params",
    [
        MaxSimSearch(nprobe=NLIST, n_rescored=N_ITEMS),
        MaxSimSearch(nprobe=1000, n_rescored=1),  # K are scored at least; their sums are exact
        MaxSimSearch(stage="plaid", nprobe=1000, t_cs=-1, ndocs=4 * N_ITEMS),
    ],
    ids=["ivf", "ivf_few", "plaid"],
)
@pytest.mark.parametrize("k", [1, K, N_ITEMS])
def test_nothing_pruned_is_exact(cells, tokens, queries, hidden, params, k):
    """All cells probed and everything kept: the k best of brute force, ties by id."""
    some = np.arange(1, N)  # a query without tokens probes nothing, below
    found = CellSearch(cells).search(queries[some], hidden.take(some), k, params, no_mark)
    wanted = select_top_k(exact(queries[some], tokens), k, hidden.take(some))
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-5, atol=1e-5)
    if params.n_rescored != 1:  # few: which of two that tie is rescored depends on the cells
        np.testing.assert_array_equal(found.ids, wanted.ids)


def test_a_query_without_tokens_finds_nothing(cells, queries, hidden):
    """There is no token to probe with: pads, in every stage."""
    for stage in ("ivf", "plaid"):
        found = CellSearch(cells).search(
            queries[:1], hidden.take(np.array([0])), K, MaxSimSearch(stage=stage), no_mark
        )
        assert (found.ids == PAD_ID).all()


def ivf_by_hand(cells, query, banned, nprobe, n_kept):
    """Return the candidates of one query: matches in probed cells, the last centroid for others."""
    sums, item_tokens = {}, []
    for token in query[query.any(axis=1)]:
        products = cells.centroids @ token
        probed = np.argsort(-products)[:nprobe]
        matches = {}
        for cell in probed:
            for place in range(cells.starts[cell], cells.starts[cell + 1]):
                item, match = int(cells.items[place]), float(cells.vectors[place] @ token)
                if item not in banned:
                    matches[item] = max(matches.get(item, -np.inf), match)
        item_tokens.append((matches, float(products[probed[-1]])))
    for item in set().union(*(matches for matches, _ in item_tokens)):
        sums[item] = sum(matches.get(item, missing) for matches, missing in item_tokens)
    return set(sorted(sums, key=lambda item: -sums[item])[:n_kept]), len(sums)


def plaid_by_hand(cells, query, banned, nprobe, t_cs, ndocs, n_kept):
    """Return the candidates of one query by the three steps of the paper."""
    query = query[query.any(axis=1)]
    products = cells.centroids @ query.T  # (n_cells, l)
    cosines = products / np.linalg.norm(cells.centroids, axis=1)[:, None]
    near = (cosines / np.linalg.norm(query, axis=1)).max(axis=1) >= t_cs
    probed = np.unique(np.argsort(-products, axis=0)[:nprobe])
    reached = [
        item for item in range(cells.n_items)
        if item not in banned and np.isin(cells.codes[item], probed).any()
    ]  # fmt: skip

    def score(item, counts):
        codes = [code for code in cells.codes[item] if counts[code]]
        return products[codes].max(axis=0).sum() if codes else -np.inf

    first = sorted(reached, key=lambda item: -score(item, near))
    first = [item for item in first if score(item, near) > -np.inf][:ndocs]
    everything = np.ones_like(near)
    second = sorted(first, key=lambda item: -score(item, everything))[:n_kept]
    return set(second), len(reached), [score(item, everything) for item in second]


@pytest.mark.parametrize("nprobe", [1, 2, 4])
def test_ivf_keeps_what_plain_loops_keep(cells, queries, hidden, nprobe):
    """The items that are scored exactly, and how many were candidates; items that tie aside."""
    params = MaxSimSearch(nprobe=nprobe, n_rescored=12)
    for row in range(1, N):
        search, one = CellSearch(cells), np.array([row])
        ids = search._candidates(queries[one], hidden.take(one), K, params)[0]
        banned = set(hidden.row(row).tolist())
        wanted, n_candidates = ivf_by_hand(cells, queries[row], banned, nprobe, 12)
        assert search.candidates == n_candidates
        found = {int(item) for item in ids if item != PAD_ID}
        assert len(found) == len(wanted)
        assert {_twin(item) for item in found ^ wanted} <= set(range(5))


@pytest.mark.parametrize(("nprobe", "t_cs"), [(1, 0.3), (2, 0.5), (2, 0.8), (3, -1.0)])
def test_plaid_keeps_what_plain_loops_keep(cells, queries, hidden, nprobe, t_cs):
    """Centroids pruned, compared twice; where centroid scores tie at the end, as many of them."""
    params = MaxSimSearch(stage="plaid", nprobe=nprobe, t_cs=t_cs, ndocs=20)
    for row in range(1, N):
        search, one = CellSearch(cells), np.array([row])
        ids = search._candidates(queries[one], hidden.take(one), K, params)[0]
        banned = set(hidden.row(row).tolist())
        wanted, n_reached, scores = plaid_by_hand(cells, queries[row], banned, nprobe, t_cs, 20, 5)
        assert search.candidates == n_reached
        found = {int(item) for item in ids if item != PAD_ID}
        assert len(found) == len(wanted)
        products = queries[row] @ cells.centroids.T
        got = [products[:, cells.codes[item]].max(axis=1).sum() for item in found]
        np.testing.assert_allclose(sorted(got), sorted(scores), rtol=1e-4, atol=1e-5)


def _twin(item):
    return item - 10 if 10 <= item < 15 else item


@pytest.mark.parametrize("stage", ["ivf", "plaid"])
def test_threads_and_blocks_change_nothing(cells, queries, hidden, stage, monkeypatch):
    """One thread or two, queries one by one or together, again with the same working arrays."""
    params, before = MaxSimSearch(stage=stage, nprobe=2, n_rescored=8, ndocs=24), []
    search = CellSearch(cells)
    for block in (1 << 22, 1, L * NLIST * 2):
        monkeypatch.setattr(cell_search, "BLOCK_SCORES", block)
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            before.append(search.search(queries, hidden, K, params, no_mark))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    for other in before[1:]:
        np.testing.assert_array_equal(other.ids, before[0].ids)
        np.testing.assert_allclose(other.scores, before[0].scores, rtol=1e-5, atol=1e-6)


def test_work_by_hand(cells, queries):
    """One query of four tokens, one cell each: centroids, tokens of those cells, items scored."""
    search, none = CellSearch(cells), Lists.empty(1)
    search.search(queries[2:3], none, K, MaxSimSearch(nprobe=1, n_rescored=6), no_mark)
    probed = (queries[2] @ cells.centroids.T).argmax(axis=1)
    lengths = np.diff(cells.starts)
    assert search.centroids == L * NLIST
    assert search.tokens == lengths[probed].sum()
    assert search.items == 6
    plaid = CellSearch(cells)
    plaid.search(queries[2:3], none, K, MaxSimSearch(stage="plaid", nprobe=1), no_mark)
    assert plaid.tokens == lengths[np.unique(probed)].sum()  # a cell is read once


def test_the_best_of_candidates_by_the_tie_rule():
    """Score descending, then id ascending, pads last."""
    ids = np.array([[7, 3, PAD_ID, 5]])
    scores = np.array([[1.0, 2.0, -np.inf, 2.0]], np.float32)
    assert best_of(ids, scores, 3).ids.tolist() == [[3, 5, 7]]
    assert best_of(ids, scores, 4).ids.tolist() == [[3, 5, 7, PAD_ID]]

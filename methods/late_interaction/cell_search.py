"""CellSearch: candidates from cells of tokens, and their exact scores; on the CPU."""

import numba
import numpy as np

from harness.lists import FloatArray, IntArray, Lists
from harness.stages import Mark
from harness.topk import PAD_ID, TopK, concatenate
from methods.late_interaction.candidate_kernels.exact import exact_scores
from methods.late_interaction.candidate_kernels.ivf import ivf_candidates
from methods.late_interaction.candidate_kernels.matching import N_WORK
from methods.late_interaction.candidate_kernels.plaid import plaid_candidates
from methods.late_interaction.cells import Int32Array, TokenCells
from methods.late_interaction.maxsim_params import MaxSimSearch

BLOCK_SCORES = 1 << 22  # products of tokens and centroids held at once: 16 MiB
KEPT_BY_CENTROIDS = 4  # PLAID's second comparison keeps one in so many of the first one's


class _Rooms:
    """The working arrays of blocks of queries that run beside each other."""

    def __init__(self, n_items: int, n_blocks: int) -> None:
        shape, self.n_blocks = (n_blocks, n_items), n_blocks
        self._touched, self._found = np.zeros(shape, np.int32), np.empty(shape, np.int32)
        self._best, self._total = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def of(self, n_blocks: int) -> tuple[Int32Array, FloatArray, FloatArray, Int32Array]:
        """Return ``touched``, ``best``, ``total``, ``found`` of the first blocks."""
        rooms = self._touched, self._best, self._total, self._found
        return rooms[0][:n_blocks], rooms[1][:n_blocks], rooms[2][:n_blocks], rooms[3][:n_blocks]


class CellSearch:
    """Searches `TokenCells` with the queries' tokens, float32 (n, L, d), zeros where none is.

    Hidden items are no candidates. Holds 16 bytes an item and thread of numba's pool that works.
    Not to be called by two threads at a time.

    Attributes
    ----------
    centroids, tokens, candidates, items : work of all searches: centroids compared with a token of
        a query; tokens of items looked at (of ``ivf`` compared with one); items that were
        candidates; items scored exactly.
    """

    def __init__(self, cells: TokenCells) -> None:
        """Take the index; working arrays are made when they are first needed."""
        self.cells = cells
        self.centroids = self.tokens = self.candidates = self.items = 0
        self._rooms = _Rooms(cells.n_items, 0)

    def search(
        self, queries: FloatArray, hidden: Lists, k: int, params: MaxSimSearch, mark: Mark
    ) -> TopK:
        """Return the k best of the candidates by their exact score, by the tie rule."""
        n, found = len(queries), []
        rows = max(1, BLOCK_SCORES // max(queries.shape[1] * self.cells.nlist, 1))
        for start in range(0, max(n, 1), rows):
            block = np.ascontiguousarray(queries[start : start + rows])
            of_block = hidden.take(np.arange(start, min(start + rows, n)))
            ids = self._candidates(block, of_block, k, params)
            mark("candidates")
            scores = np.empty(ids.shape, np.float32)
            exact_scores(block, ids, self.cells.vectors, self.cells.places, scores)
            self.items += int(np.count_nonzero(ids != PAD_ID))
            mark("scoring")
            found.append(best_of(ids, scores, k))
            mark("top_k")
        return concatenate(found)

    def _candidates(
        self, queries: FloatArray, hidden: Lists, k: int, params: MaxSimSearch
    ) -> IntArray:
        """Return the items to be scored exactly, int64 (n, R), -1 where there are fewer."""
        cells, n_blocks = self.cells, max(1, min(len(queries), numba.get_num_threads()))
        flat = queries.reshape(-1, queries.shape[2]) @ cells.centroids.T
        scores = flat.reshape(*queries.shape[:2], cells.nlist)
        if self._rooms.n_blocks < n_blocks:
            self._rooms = _Rooms(cells.n_items, n_blocks)
        touched, best, total, found = self._rooms.of(n_blocks)
        work = np.zeros((n_blocks, N_WORK), np.int64)
        nprobe, banned = min(params.nprobe, cells.nlist), (hidden.indptr, hidden.ids)
        plaid = params.stage == "plaid"
        wanted = max(k, params.ndocs // KEPT_BY_CENTROIDS if plaid else params.n_rescored)
        out = np.empty((len(queries), min(wanted, cells.n_items)), np.int64)
        if plaid:
            plaid_candidates(
                queries, scores, nprobe, params.t_cs, max(k, params.ndocs), cells.norms,
                cells.starts, cells.items, cells.codes, *banned, touched, best, found, work, out,
            )  # fmt: skip
        else:
            ivf_candidates(
                queries, scores, nprobe, cells.starts, cells.vectors, cells.items, *banned,
                touched, best, total, found, work, out,
            )  # fmt: skip
        centroids, tokens, candidates = work.sum(axis=0).tolist()
        self.centroids += centroids
        self.tokens += tokens
        self.candidates += candidates
        return out


def best_of(ids: IntArray, scores: FloatArray, k: int) -> TopK:
    """Return the k best of candidates (n, R), R at least k, by the tie rule; pads stay last."""
    last = np.where(ids == PAD_ID, np.iinfo(np.int64).max, ids)
    order = np.lexsort((last, -scores), axis=1)[:, :k]
    found = np.take_along_axis(ids, order, axis=1)
    return TopK(found, np.take_along_axis(scores, order, axis=1))

"""PolySearch: candidates by the best of a query's m vectors through an index, then exact scores."""

import numpy as np

from harness.errors import MethodError
from harness.lists import FloatArray, Lists
from harness.stages import Mark, no_mark
from harness.topk import PAD_ID, TopK
from methods.ann.flat import FaissFlat
from methods.ann.hnsw import FaissHNSW
from methods.ann.ivf import FaissIVF
from methods.ann.vector_index import VectorIndex
from methods.late_interaction.cell_search import best_of
from methods.late_interaction.poly_kernels import merge_candidates, score_candidates
from methods.late_interaction.poly_params import PolyEncoderParams, PolyEncoderSearch


def new_index(params: PolyEncoderParams, *, device: str, seed: int) -> VectorIndex | None:
    """Return the empty index of candidates; None where every item is scored.

    Raises
    ------
    MethodError
        Candidates are asked for on another device than the CPU.
    """
    if params.index == "exact":
        return None
    if device != "cpu":
        raise MethodError(
            f"index = {params.index!r} runs on the CPU, not on {device}; 'exact' does"
        )
    if params.index == "flat":
        return FaissFlat()
    if params.index == "ivf":
        return FaissIVF(params.nlist, params.train_per_list, params.cell_space, seed=seed)
    return FaissHNSW(params.m, params.ef_construction, params.graph_space)


class PolySearch:
    """Finds the items of the largest inner products with any of m vectors, and scores them.

    Attributes
    ----------
    index : holds the vectors once more, as it needs them.
    vectors : float32 (n_items, dim).
    items : items scored exactly by all searches.
    """

    def __init__(self, index: VectorIndex, vectors: FloatArray) -> None:
        """Take an index of the items' vectors, and the vectors."""
        self.index, self.vectors = index, np.ascontiguousarray(vectors)
        self.items = 0

    def search(
        self, queries: FloatArray, hidden: Lists, k: int, params: PolyEncoderSearch, mark: Mark
    ) -> TopK:
        """Return the k best candidates of queries (n, m, dim) by their exact score."""
        n, m, dim = queries.shape
        self._tune(params)
        each = min(max(k, params.n_candidates), len(self.vectors))
        of_vectors = hidden.take(np.repeat(np.arange(n), m))
        flat = np.ascontiguousarray(queries.reshape(n * m, dim))
        found = self.index.search_visible(flat, of_vectors, each, no_mark)
        ids = np.empty((n, m * each), np.int64)
        merge_candidates(np.ascontiguousarray(found.ids).reshape(n, m, each), ids)
        mark("candidates")
        scores = np.empty(ids.shape, np.float32)
        score_candidates(np.ascontiguousarray(queries), ids, self.vectors, scores)
        self.items += int(np.count_nonzero(ids != PAD_ID))
        mark("scoring")
        best = best_of(ids, scores, k)
        mark("top_k")
        return best

    def _tune(self, params: PolyEncoderSearch) -> None:
        if isinstance(self.index, FaissIVF):
            self.index.nprobe = params.nprobe
        elif isinstance(self.index, FaissHNSW):
            self.index.ef_search = params.ef_search

    @property
    def nbytes(self) -> int:
        """Return the bytes of index and vectors."""
        return self.index.nbytes + self.vectors.nbytes

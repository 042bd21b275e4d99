"""PolySearch: candidates by the best of a query's m vectors through an index, then exact scores."""

import numpy as np

from harness.lists import FloatArray, Lists
from harness.stages import Mark, no_mark
from harness.topk import PAD_ID, TopK
from methods.ann.choice import IndexSettings
from methods.ann.vector_index import VectorIndex
from methods.late_interaction.cell_search import best_of
from methods.late_interaction.poly_kernels import merge_candidates, score_candidates
from methods.late_interaction.poly_params import PolyEncoderSearch


class PolySearch:
    """Finds the items of the largest inner products with any of m vectors, and scores them.

    Attributes
    ----------
    index : holds the vectors once more, as it needs them.
    vectors : float32 (n_items, dim).
    items : items scored exactly by all searches.
    """

    def __init__(self, index: VectorIndex, vectors: FloatArray, settings: IndexSettings) -> None:
        """Take an index of the items' vectors, the vectors, and of what settings it is."""
        self.index, self.vectors = index, np.ascontiguousarray(vectors)
        self._settings = settings
        self.items = 0

    def search(
        self, queries: FloatArray, hidden: Lists, k: int, params: PolyEncoderSearch, mark: Mark
    ) -> TopK:
        """Return the k best candidates of queries (n, m, dim) by their exact score."""
        n, m, dim = queries.shape
        self._settings.tune(self.index, params)
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

    @property
    def nbytes(self) -> int:
        """Return the bytes of index and vectors."""
        return self.index.nbytes + self.vectors.nbytes

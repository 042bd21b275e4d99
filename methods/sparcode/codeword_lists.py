"""What methods share that serve lists of codewords over given vectors, whoever adds them up."""

from typing import Any

import numpy as np

from harness.errors import MethodError
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.retriever import Retriever
from harness.topk import TopK
from methods.ann.given_vectors import inner_products, item_vectors, query_vectors
from methods.sparcode.index.code_postings import best_postings, nearest_codes
from methods.sparcode.index.postings import Postings
from methods.sparcode.spherical_kmeans import spherical_kmeans


class CodewordLists(Retriever):
    """Codewords by k-means, their lists of items, and the codewords nearest to a query.

    Build parameters are ``n_codes``, ``postings``, ``train_per_code`` and ``iterations``, the
    search parameter is ``lists``, as `PostingLists` has them.
    """

    build_params: Any
    search_params: Any
    _vectors: FloatArray | None = None
    _codewords: FloatArray

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Find the codewords by k-means over a sample of the item vectors.

        Raises
        ------
        MethodError
            No vectors, or more codes than items.
        """
        params, self._vectors = self.build_params, item_vectors(train)
        if params.n_codes > train.n_items:
            raise MethodError(
                f"n_codes = {params.n_codes} exceeds the catalogue of {train.n_items} items"
            )
        self._codewords = spherical_kmeans(
            self._vectors, params.n_codes, params.train_per_code, params.iterations, self.seed
        )

    def _lists(self) -> Postings:
        """Score every codeword with every item and keep the best of each."""
        assert self._vectors is not None, "fit came before"
        return best_postings(
            self._codewords,
            self._vectors,
            self.build_params.postings,
            lambda done, total: self.progress("postings", done, total),
        )

    def encode(self, queries: Queries) -> IntArray:
        """Return the nearest codewords of each query, the nearest first, int64 (n, K)."""
        n_lists = min(self.search_params.lists, len(self._codewords))
        vectors = np.ascontiguousarray(query_vectors(queries))
        return np.asarray(nearest_codes(vectors, self._codewords, n_lists))

    def search(self, queries: Queries, k: int) -> TopK:
        """Find the codewords, then add up their lists."""
        encoded = self.encode(queries)
        self.mark("encode")
        return self.search_encoded(encoded, queries.hidden, k)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the inner products of the original vectors, float32 (n, n_item_ids).

        Raises
        ------
        MethodError
            After `load`: search does not need the vectors, so they are not saved.
        """
        if self._vectors is None:
            raise MethodError("a loaded index holds no item vectors to score exhaustively")
        return inner_products(query_vectors(queries), self._vectors, item_ids)

"""HNSW: a graph of near neighbours in layers, walked towards the query."""

from typing import Any

import numpy as np

from harness.lists import FloatArray
from methods.ann.euclidean import VectorSpace, of_equal_length
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss

GRAPH = ("levels", "offsets", "neighbors", "entry_point", "max_level")  # of faiss's HNSW


class FaissHNSW(FaissIndex):
    """The graph of faiss over whole vectors (``IndexHNSWFlat``), on the CPU.

    A graph of Euclidean neighbours is built over `of_equal_length` vectors, then put over the
    vectors as they were given: distances to a query order those as inner products do, so the walk
    is the same, and it computes inner products of ``dim`` numbers. Building takes the vectors and
    the graph twice for a while.

    Attributes
    ----------
    ef_search : candidates kept while walking; faiss takes k where k is larger.
    """

    def __init__(
        self, m: int, ef_construction: int, graph_space: VectorSpace = "euclidean"
    ) -> None:
        """Take M, neighbours of a vector in an upper layer (2 M at the bottom), efC, and whose."""
        super().__init__()
        self._graph_space = graph_space
        self._m, self._ef_construction = m, ef_construction
        self.ef_search = 16

    def add(self, vectors: FloatArray) -> None:
        """Insert every vector; with more than one thread the graph depends on their order."""
        faiss = load_faiss()
        self._index = self._empty(vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
        if self._graph_space == "inner_product":
            super().add(vectors)
        else:
            euclidean = self._empty(vectors.shape[1] + 1, faiss.METRIC_L2)
            euclidean.add(of_equal_length(vectors))
            for part in GRAPH:
                setattr(self._index.hnsw, part, getattr(euclidean.hnsw, part))  # copies
            self._index.storage.add(np.ascontiguousarray(vectors))
            self._index.ntotal = len(vectors)
        self.ef_search = self._ef_search

    def _empty(self, dim: int, metric: int) -> Any:
        index = load_faiss().IndexHNSWFlat(dim, self._m, metric)
        index.hnsw.efConstruction = self._ef_construction
        return index

    @property
    def of_faiss(self) -> Any:
        """Return faiss's own index, once vectors were added."""
        return self._index

    @property
    def ef_search(self) -> int:
        """Return the candidates kept while walking."""
        return self._ef_search

    @ef_search.setter
    def ef_search(self, value: int) -> None:
        self._ef_search = value
        if hasattr(self, "_index"):
            self._index.hnsw.efSearch = value

    def _distances_of_faiss(self) -> int:
        return int(load_faiss().cvar.hnsw_stats.ndis)

    def _distances_of_search(self, n_queries: int, k: int, before: int) -> int:
        return self._distances_of_faiss() - before

    @property
    def _base_bytes(self) -> int:
        """Return the bytes of the vectors and of the graph: neighbours, offsets, levels."""
        graph = self._index.hnsw
        return (
            self.vector_bytes
            + int(graph.neighbors.size()) * 4
            + int(graph.offsets.size()) * 8
            + int(graph.levels.size()) * 4
        )

    def vectors(self) -> FloatArray:
        """Return the vectors as the index holds them, float32 (n_items, dim), not copied."""
        return flat_vectors(load_faiss().downcast_index(self._index.storage))

    def _after_load(self) -> None:
        self.ef_search = self._ef_search

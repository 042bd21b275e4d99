"""HNSW: a graph of near neighbours in layers, walked towards the query."""

from harness.lists import FloatArray
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss


class FaissHNSW(FaissIndex):
    """The graph of faiss over whole vectors (``IndexHNSWFlat``), on the CPU.

    Attributes
    ----------
    ef_search : candidates kept while walking; faiss takes k where k is larger.
    """

    def __init__(self, m: int, ef_construction: int) -> None:
        """Take M, the neighbours of a vector in an upper layer (2 M at the bottom), and efC."""
        super().__init__()
        self._m, self._ef_construction = m, ef_construction
        self.ef_search = 16

    def add(self, vectors: FloatArray) -> None:
        """Insert every vector; with more than one thread the graph depends on their order."""
        faiss = load_faiss()
        self._index = faiss.IndexHNSWFlat(vectors.shape[1], self._m, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = self._ef_construction
        super().add(vectors)
        self.ef_search = self._ef_search

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

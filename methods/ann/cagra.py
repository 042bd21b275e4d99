"""CAGRA: a graph of near neighbours for a GPU, by faiss with cuVS."""

from typing import Any

import numpy as np

from harness.errors import MethodError
from harness.lists import FloatArray
from methods.ann.device import gpu_faiss, gpu_number
from methods.ann.faiss_index import FaissIndex, flat_vectors, load_faiss


class FaissCagra(FaissIndex):
    """The graph of CAGRA over whole vectors (``GpuIndexCagra``), on a GPU.

    ``distances`` stays 0, for faiss does not count what a GPU does. A saved index is a graph of
    faiss for the CPU, which gives the same graph back to the GPU.

    Attributes
    ----------
    itopk_size : candidates kept while walking; k where k is larger.
    """

    def __init__(self, graph_degree: int, intermediate_graph_degree: int, device: str) -> None:
        """Take the neighbours of a vector, after and before pruning, and the GPU.

        Raises
        ------
        MethodError
            This faiss has no GPU build, or one without cuVS.
        """
        super().__init__(device)
        faiss = gpu_faiss(device)
        if not hasattr(faiss, "GpuIndexCagra"):
            raise MethodError(f"device {device!r}: this faiss has no CAGRA: it lacks cuVS")
        self._degrees = graph_degree, intermediate_graph_degree
        self.itopk_size = 64

    def add(self, vectors: FloatArray) -> None:
        """Build the graph.

        Raises
        ------
        MethodError
            More neighbours than other vectors.
        """
        n_items, dim = vectors.shape
        if self._degrees[1] >= n_items:
            raise MethodError(
                f"intermediate_graph_degree = {self._degrees[1]} must be below the catalogue of "
                f"{n_items} items"
            )
        faiss = gpu_faiss(self._device)
        config = faiss.GpuIndexCagraConfig()
        config.device = gpu_number(self._device)
        config.graph_degree, config.intermediate_graph_degree = self._degrees
        resources = faiss.StandardGpuResources()
        self._index = faiss.GpuIndexCagra(resources, dim, faiss.METRIC_INNER_PRODUCT, config)
        self._index.train(np.ascontiguousarray(vectors))

    def _found(self, queries: FloatArray, k: int) -> tuple[FloatArray, Any]:
        params = load_faiss().SearchParametersCagra()
        params.itopk_size = max(self.itopk_size, k)
        scores, ids = self._index.search(queries, k, params=params)
        ids[(ids < 0) | (ids >= self.n_items)] = -1  # what was not found
        return scores, ids

    def _distances_of_search(self, n_queries: int, k: int, before: int) -> int:
        return 0

    @property
    def _base_bytes(self) -> int:
        """Return the bytes of the vectors, and of neighbours of 4 bytes."""
        return self.vector_bytes + self.n_items * self._degrees[0] * 4

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors, float32 (n_items, dim)."""
        host = self._on_host()
        return flat_vectors(load_faiss().downcast_index(host.storage)).copy()

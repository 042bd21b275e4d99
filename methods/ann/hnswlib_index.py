"""HnswlibIndex: the graph of HNSW by its authors' library."""

import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.lists import FloatArray
from harness.stages import Mark, no_mark
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.euclidean import VectorSpace, of_equal_length
from methods.ann.vector_index import VectorIndex, order_ties

KIND, FILE = "hnswlib", "index"
TOO_FEW = "Cannot return the results"  # how hnswlib says that a walk found fewer than k


def load_hnswlib() -> Any:
    """Return hnswlib, or say which extra brings it."""
    try:
        return importlib.import_module("hnswlib")
    except ImportError as error:
        raise MethodError("hnswlib is not installed: install the extra `hnswlib`") from error


class HnswlibIndex(VectorIndex):
    """The graph of hnswlib over whole vectors, on the CPU.

    It builds and searches with torch's number of threads; one query is searched by one thread. It
    ranks by 1 minus the inner product: a score is the difference of that from 1, so it is rounded
    as a number near 1 is, and items that differ by less tie. ``distances`` stays 0, for hnswlib
    does not tell what it counts.

    A graph of Euclidean neighbours is built over `of_equal_length` vectors and read back, through
    its file, as one over inner products of the first ``dim`` coordinates: the same walk, as in
    `FaissHNSW`. The coordinate stays in memory and in the file, 4 bytes an item; nothing reads it.

    Attributes
    ----------
    ef_search : candidates kept while walking; k where k is larger.
    """

    def __init__(
        self,
        m: int,
        ef_construction: int,
        seed: int = 0,
        graph_space: VectorSpace = "euclidean",
    ) -> None:
        """Take M, efConstruction and the space as `FaissHNSW` does, and the seed of the layers."""
        self._graph_space = graph_space
        self._m, self._ef_construction, self._seed = m, ef_construction, seed % (1 << 31)
        self.ef_search = 16

    def add(self, vectors: FloatArray) -> None:
        """Insert every vector; with more than one thread the graph depends on their order."""
        dim = vectors.shape[1]
        if self._graph_space == "inner_product":
            self._index = self._built("ip", vectors)
            return
        euclidean = self._built("l2", of_equal_length(vectors))
        with tempfile.TemporaryDirectory() as written:
            path = Path(written) / FILE
            euclidean.save_index(str(path))
            self._index = load_hnswlib().Index("ip", dim)
            self._index.load_index(str(path))  # where vectors lie is read from the file

    def _built(self, space: str, vectors: FloatArray) -> Any:
        n_items, dim = vectors.shape
        index = load_hnswlib().Index(space, dim)
        index.init_index(n_items, self._m, self._ef_construction, self._seed)
        index.add_items(vectors, num_threads=torch.get_num_threads())
        return index

    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best by inner product, as far as the walk leads to them."""
        ids = np.full((len(queries), k), PAD_ID, np.int64)
        scores = np.full(ids.shape, PAD_SCORE, np.float32)
        if len(queries):
            self._index.set_ef(max(self.ef_search, k))
            self._walk(queries, k, ids, scores)
        mark("scoring")
        found = order_ties(ids, scores)
        mark("top_k")
        return found

    def _walk(self, queries: FloatArray, k: int, ids: Any, scores: FloatArray) -> None:
        """Fill in what is found; hnswlib raises where a walk finds fewer than it was asked for."""
        try:
            found, distances = self._index.knn_query(queries, k, torch.get_num_threads())
        except RuntimeError as error:
            if TOO_FEW not in str(error):
                raise
            if k > 1 and len(queries) == 1:
                self._walk(queries, self._n_found(queries, k), ids, scores)
            for row in range(len(queries) if len(queries) > 1 else 0):
                one = slice(row, row + 1)
                self._walk(queries[one], k, ids[one], scores[one])
        else:
            ids[:, :k], scores[:, :k] = found, 1 - distances

    def _n_found(self, query: FloatArray, k: int) -> int:
        """Return how many of k a walk from one query finds, at least 1, by bisection."""
        found, too_many = 1, k
        while too_many - found > 1:
            middle = (found + too_many) // 2
            try:
                self._index.knn_query(query, middle, 1)
            except RuntimeError:
                too_many = middle
            else:
                found = middle
        return found

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._index.get_current_count())

    @property
    def nbytes(self) -> int:
        """Return the bytes that hnswlib writes: vectors and their coordinate, neighbours, labels.

        In memory it holds beside these a lock and a table entry an item.
        """
        return int(self._index.index_file_size())

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors, float32 (n_items, dim)."""
        return np.asarray(self._index.get_items(np.arange(self.n_items)), np.float32)

    def save(self, folder: Path) -> None:
        """Write hnswlib's file as an array of bytes, with a checksum, which it lacks."""
        with tempfile.TemporaryDirectory() as written:
            path = Path(written) / FILE
            self._index.save_index(str(path))
            content = np.fromfile(path, np.uint8)
        save_arrays(folder, KIND, {FILE: content}, {"dim": int(self._index.dim)})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote.

        Raises
        ------
        MethodError
            hnswlib is missing or cannot read the file; names it.
        """
        arrays, facts = load_arrays(folder, KIND)
        index = load_hnswlib().Index("ip", int(facts["dim"]))
        with tempfile.TemporaryDirectory() as written:
            path = Path(written) / FILE
            arrays[FILE].tofile(path)
            try:
                index.load_index(str(path))
            except RuntimeError as error:
                raise MethodError(
                    f"{folder / FILE}.npy: hnswlib cannot read it: {error}"
                ) from error
        self._index = index

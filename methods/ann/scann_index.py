"""ScannIndex: Google's ScaNN, a tree of cells over vectors quantised to four bits a block."""

import importlib
import math
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
from methods.ann.refusals import check_cells, check_scann
from methods.ann.vector_index import VectorIndex, order_ties

KIND = "scann"
VECTORS = "dataset.npy"  # the file of ScaNN's that holds the vectors as they were added


def load_scann() -> Any:
    """Return ScaNN's builder and loader, or say which extra brings them."""
    try:
        return importlib.import_module("scann").scann_ops_pybind
    except ImportError as error:
        raise MethodError("scann is not installed: install the extra `scann`") from error


def default_leaves(n_items: int) -> int:
    """Return sqrt(n_items), rounded: the number of cells that ScaNN's guide starts from."""
    return max(1, round(math.sqrt(n_items)))


class ScannIndex(VectorIndex):
    """Cells, quantised residuals, and exact inner products of the best, by ScaNN on the CPU.

    It builds and searches with torch's number of threads; one query is searched by one thread. Two
    builds over the same vectors differ, on one thread too: ScaNN draws its starts anew and lets
    nobody seed them (seen of 1.4.2, its setting ``clustering_seed`` included); a saved index stays
    what it is. ``distances`` stays 0, for ScaNN counts nothing.

    Attributes
    ----------
    leaves_to_search : cells that a search looks into; more than there are means all.
    reorder : candidates whose exact inner product is computed; k where k is larger.
    searcher : ScaNN's own object, once vectors were added.
    """

    def __init__(
        self, leaves: int, dims_per_block: int, anisotropic_threshold: float, soar_lambda: float
    ) -> None:
        """Take the number of cells (0: `default_leaves`) and how vectors are quantised."""
        self._leaves, self._dims_per_block = leaves, dims_per_block
        self._anisotropic_threshold, self._soar_lambda = anisotropic_threshold, soar_lambda
        self.leaves_to_search, self.reorder = 1, 1
        self._nbytes: int | None = None

    def add(self, vectors: FloatArray) -> None:
        """Train cells and codewords and encode every vector; ScaNN does all of it in one call.

        Raises
        ------
        MethodError
            ScaNN is missing, or what `methods.ann.refusals` refuse.
        """
        n_items = len(vectors)
        leaves = self._leaves or default_leaves(n_items)
        check_scann(n_items)
        check_cells("leaves", leaves, n_items)
        builder = load_scann().builder(np.ascontiguousarray(vectors), 1, "dot_product")
        builder.set_n_training_threads(torch.get_num_threads())
        builder.tree(
            num_leaves=leaves, num_leaves_to_search=1, soar_lambda=self._soar_lambda or None
        )
        builder.score_ah(
            self._dims_per_block, anisotropic_quantization_threshold=self._anisotropic_threshold
        )
        self._take(builder.reorder(1).build(), n_items, leaves)

    def _take(self, searcher: Any, n_items: int, leaves: int) -> None:
        self.searcher, self._n_items, self.leaves = searcher, n_items, leaves
        self._nbytes, self._threads = None, 0

    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best of the reordered candidates, as far as the cells hold them."""
        settings = (k, max(self.reorder, k), min(self.leaves_to_search, self.leaves))
        if len(queries) == 0:
            ids, scores = np.empty((0, k), np.int64), np.empty((0, k), np.float32)
        elif len(queries) == 1:
            ids, scores = self._search_one(np.ascontiguousarray(queries[0]), settings)
        else:
            ids, scores = self._search_many(np.ascontiguousarray(queries), settings)
        mark("scoring")
        found = order_ties(ids, scores)
        mark("top_k")
        return found

    def _search_one(self, query: FloatArray, settings: tuple[int, ...]) -> tuple[Any, FloatArray]:
        found, products = self.searcher.search(query, *settings)
        if found.size == settings[0]:
            return found[None], products[None]
        ids = np.full((1, settings[0]), PAD_ID, np.int64)
        scores = np.full(ids.shape, PAD_SCORE, np.float32)
        ids[0, : found.size], scores[0, : found.size] = found, products
        return ids, scores

    def _search_many(
        self, queries: FloatArray, settings: tuple[int, ...]
    ) -> tuple[Any, FloatArray]:
        threads = torch.get_num_threads()
        if threads == 1:
            ids, scores = self.searcher.search_batched(queries, *settings)
        else:
            if threads != self._threads:
                self.searcher.set_num_threads(threads)
                self._threads = threads
            ids, scores = self.searcher.search_batched_parallel(queries, *settings)
        missing = np.isnan(scores)  # ScaNN fills up with item 0 and a score that is no number
        if missing.any():
            ids = np.where(missing, PAD_ID, ids.astype(np.int64))
            scores = np.where(missing, np.float32(PAD_SCORE), scores)
        return ids, scores

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return self._n_items

    @property
    def details(self) -> dict[str, float]:
        """Return the number of cells."""
        return {"leaves": float(self.leaves)}

    @property
    def nbytes(self) -> int:
        """Return the bytes of the arrays as ScaNN writes them: cells, codes, vectors.

        A code takes a byte in the file and half of one in memory.
        """
        if self._nbytes is None:
            self._nbytes = sum(one.nbytes for one in self._files().values())
        return self._nbytes

    def vectors(self) -> FloatArray:
        """Return a copy of the vectors, float32 (n_items, dim)."""
        with tempfile.TemporaryDirectory() as folder:
            self.searcher.serialize(folder, True)
            return np.asarray(np.load(Path(folder) / VECTORS))

    def _files(self) -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
        """Return what ScaNN writes, by name of the file; paths in it are relative."""
        with tempfile.TemporaryDirectory() as folder:
            self.searcher.serialize(folder, True)
            paths = sorted(Path(folder).iterdir())
            return {path.name: np.fromfile(path, np.uint8) for path in paths}

    def save(self, folder: Path) -> None:
        """Write each file of ScaNN's as an array of bytes, with a checksum, which they lack."""
        save_arrays(folder, KIND, self._files(), {"n_items": self.n_items, "leaves": self.leaves})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote.

        Raises
        ------
        MethodError
            ScaNN is missing, or the files are of another version that this one cannot read.
        """
        files, facts = load_arrays(folder, KIND)
        with tempfile.TemporaryDirectory() as written:
            for name, content in files.items():
                content.tofile(Path(written) / name)
            try:
                searcher = load_scann().load_searcher(written, assets_backcompat_shim=False)
            except (RuntimeError, ValueError) as error:
                raise MethodError(f"{folder}: ScaNN cannot read it: {error}") from error
        self._take(searcher, int(facts["n_items"]), int(facts["leaves"]))

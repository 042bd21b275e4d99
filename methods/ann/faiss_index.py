"""FaissIndex: what every index of faiss shares: search, counting, refining, files, devices."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.lists import FloatArray
from harness.stages import Mark, no_mark
from harness.topk import TopK
from methods.ann.device import MOST_K, is_gpu, to_device, to_host
from methods.ann.faiss_library import load_faiss
from methods.ann.vector_index import VectorIndex, order_ties
from methods.ann.visible import write_pad_scores

__all__ = ["FaissIndex", "flat_vectors", "load_faiss"]

KIND, ARRAY = "faiss", "index"


class FaissIndex(VectorIndex):
    """An index of faiss: it searches with the threads that the harness gave OpenMP.

    A refined one (``IndexRefineFlat``, on the CPU) holds the vectors beside the index and computes
    the exact inner products of the index's ``k_factor`` * k best.

    Attributes
    ----------
    k_factor : of a refined index; what exceeds all vectors means all.
    """

    _index: Any
    _in_base = True  # whether the index, not refined, holds the vectors

    def __init__(self, device: str = "cpu", *, refined: bool = False) -> None:
        """Take the device, and whether the vectors are kept for exact products of the best."""
        self._device, self._refined, self.k_factor = device, refined, 1

    def _with_vectors(self, index: Any) -> Any:
        """Return an empty index of faiss, with the vectors beside it where it is refined."""
        return load_faiss().IndexRefineFlat(index) if self._refined else index

    @property
    def _base(self) -> Any:
        """Return the index of faiss under the refinement; a new view of it, not kept."""
        if not self._refined:
            return self._index
        return load_faiss().downcast_index(self._index.base_index)

    def add(self, vectors: FloatArray) -> None:
        """Give the vectors to faiss."""
        self._index.add(np.ascontiguousarray(vectors))

    def search(self, queries: FloatArray, k: int, mark: Mark = no_mark) -> TopK:
        """Return the k best by inner product, as far as the index finds them.

        Raises
        ------
        MethodError
            More neighbours are asked for than faiss selects on a GPU.
        """
        if is_gpu(self._device) and k > MOST_K:
            raise MethodError(f"faiss finds at most {MOST_K} neighbours on a GPU, not {k}")
        before = self._distances_of_faiss()
        if self._refined:
            self._index.k_factor = min(float(self.k_factor), max(1.0, self.n_items / k))
            self.distances += len(queries) * min(self.k_factor * k, self.n_items)
        scores, ids = self._found(np.ascontiguousarray(queries), k)
        self.distances += self._distances_of_search(len(queries), k, before)
        mark("scoring")
        write_pad_scores(ids, scores)  # faiss fills up with scores of its own
        found = order_ties(ids, scores)
        mark("top_k")
        return found

    def _found(self, queries: FloatArray, k: int) -> tuple[FloatArray, Any]:
        """Return scores and ids, (n, k), as faiss orders them."""
        scores, ids = self._index.search(queries, k)
        return scores, ids

    def _distances_of_faiss(self) -> int:
        """Return what faiss has counted in this process; 0 where it counts nothing."""
        return 0

    @abstractmethod
    def _distances_of_search(self, n_queries: int, k: int, before: int) -> int:
        """Return the inner products of a search, ``before`` being faiss's count before it.

        Those of refining are not among them.
        """

    @property
    def n_items(self) -> int:
        """Return the number of vectors."""
        return int(self._index.ntotal)

    @property
    def _dim(self) -> int:
        return int(self._index.d)

    @property
    def vector_bytes(self) -> int:
        """Return the bytes of the vectors alone."""
        return self.n_items * self._dim * 4

    @property
    def nbytes(self) -> int:
        """Return the bytes that a search may touch, the vectors of a refined index included."""
        return self._base_bytes + (self.vector_bytes if self._refined else 0)

    @property
    @abstractmethod
    def _base_bytes(self) -> int:
        """Return the bytes of the index under the refinement."""

    @property
    def holds_vectors(self) -> bool:
        """Return whether the vectors are there as they were added."""
        return self._refined or self._in_base

    def vectors(self) -> FloatArray:
        """Return the vectors, float32 (n_items, dim), in the order of the items.

        Raises
        ------
        MethodError
            The index holds codes alone.
        """
        if self._refined:
            return flat_vectors(load_faiss().downcast_index(self._index.refine_index))
        if not self._in_base:
            raise MethodError("the index holds codes, and not the vectors that they stand for")
        return self._reconstruct(to_host(self._index, self._device))

    def decoded(self) -> FloatArray:
        """Return the vectors that the codes stand for, a copy, float32 (n_items, dim)."""
        return self._reconstruct(self._base)

    def _reconstruct(self, index: Any) -> FloatArray:
        return np.asarray(index.reconstruct_n(0, self.n_items))

    def save(self, folder: Path) -> None:
        """Write the index as faiss serialises it, with a checksum, which faiss's files lack."""
        save_arrays(folder, KIND, {ARRAY: load_faiss().serialize_index(self._on_host())})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote, onto the device.

        Raises
        ------
        MethodError
            The file is damaged, or of another faiss that this one cannot read; names it.
        """
        arrays, _ = load_arrays(folder, KIND)
        try:
            index = load_faiss().deserialize_index(arrays[ARRAY])
        except RuntimeError as error:
            raise MethodError(f"{folder / ARRAY}.npy: faiss cannot read it: {error}") from error
        self._index = to_device(index, self._device)
        self._after_load()

    def _after_load(self) -> None:
        """Give the index what was set before it was loaded."""

    def _on_host(self) -> Any:
        """Return the index of faiss on the host."""
        return to_host(self._index, self._device)


def flat_vectors(index: Any) -> FloatArray:
    """Return the vectors of a flat index of faiss, float32 (n_items, dim), not copied.

    They live as long as the index does.
    """
    held: FloatArray = load_faiss().rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return held.reshape(index.ntotal, index.d)

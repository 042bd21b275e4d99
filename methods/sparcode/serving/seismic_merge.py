"""SeismicMerger: Seismic, an engine for learned sparse vectors, adds up posting lists."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.lists import FloatArray, IntArray, Lists
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.visible import first_visible
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving.packed_merge import Found
from methods.sparcode.serving.seismic_engine import (
    FILE,
    SeismicBlocks,
    build_index,
    content_of,
    read_index,
)
from methods.sparcode.serving.seismic_form import documents, settle, sort_codes

KIND: Final = "seismic"  # of what is saved
TOP_EXPONENT: Final = 15  # stored scores are below 2^15: the largest half float is 65,504
BLOCK: Final = 64  # queries whose answers are held before hidden items are dropped
_UNWEIGHTED = np.zeros((0, 0), np.float32)


class SeismicMerger:
    """Adds up the lists of queries as far as Seismic opens them; approximate.

    An item is a sparse vector of the codes whose lists name it, a query one of its lists'
    weights, and a sum their inner product: the question that `PackedMerger` answers. Seismic walks
    the query's ``query_cut`` heaviest lists block by block, leaves out a block whose summary
    promises less than ``heap_factor`` times the k-th best sum so far, and adds up what is left from
    the items' own codes, so that what it returns has its whole sum.

    Stored scores are half floats, after a common power of two has brought the largest near the top
    of their range: each is within 2^-11 of itself, those below 2^-29 of the largest aside. Where
    ``query_cut`` leaves lists out, equal weights are made to fall by 2^-22 of themselves from list
    to list in the order named, so that the lists named first are those opened.

    Every list is stored whole, twice: as blocks, and within the items. Seismic tells no counts. It
    holds Python's lock while it searches, so a search takes one thread; building takes all that
    its pool has. Lists go in, and the index goes out and in, through files in a temporary folder:
    8 bytes a posting. What Seismic prints on standard output is thrown away.

    Attributes
    ----------
    query_cut : lists of a query that are opened, those of the largest weight.
    heap_factor : 0 leaves out no block; the larger, the more are left out.

    References
    ----------
    Bruch, Nardini, Rulli and Venturini, "Efficient Inverted Indexes for Approximate Retrieval over
    Learned Sparse Representations", SIGIR 2024 (algorithm 2). The library's lists are cut to their
    best postings there; here they come as they are.
    """

    query_cut: int = 8
    heap_factor: float = 0.8

    def __init__(
        self,
        index: Any,
        items: npt.NDArray[np.int32],
        n_lists: int,
        scale: float,
        nbytes: int | None = None,
    ) -> None:
        """Take what `of` or `load` made.

        Parameters
        ----------
        index : Seismic's own object; its documents are numbered as ``items`` stand.
        items : int32 (n_documents,), the items in a list, ascending.
        scale : what a stored score of 1 is worth.
        nbytes : of the index as Seismic writes it; None: it is written when it is asked for.
        """
        self._index, self._items, self._nbytes = index, items, nbytes
        self._n_lists, self._scale, self._dim = n_lists, scale, int(index.dim)

    @classmethod
    def of(cls, postings: Postings, blocks: SeismicBlocks | None = None) -> "SeismicMerger":
        """Build Seismic's index of the lists.

        Raises
        ------
        MethodError
            Seismic is not installed, or no list has a posting.
        """
        if postings.items.size == 0:
            raise MethodError("no list has a posting, and Seismic takes no index without any")
        n_lists, longest = postings.lengths.size, int(postings.lengths.max())
        exponent = int(np.frexp(postings.scores.max())[1]) - TOP_EXPONENT
        items, words = documents(postings, np.ldexp(postings.scores, -exponent))
        n_used = int(np.flatnonzero(postings.lengths)[-1]) + 1  # Seismic's number of lists
        mean = -(-postings.items.size // n_used)
        index = build_index(
            words, n_lists, blocks or SeismicBlocks(), n_postings=mean, longest=longest
        )
        return cls(index, items, n_lists, float(np.ldexp(1.0, exponent)))

    def merge(
        self,
        lists: IntArray,
        weights: FloatArray | None,
        hidden: Lists,
        k: int,
        *,
        cut: int | None = None,
    ) -> Found:
        """Return ids int64 (n, k), scores float32 (n, k), and twice 0: Seismic tells no counts.

        Where fewer than k items are found, ids end in -1 and scores in -inf. Hidden items are
        dropped after the search, which asks for as many more. Ties go to the smaller item among
        those found.

        Parameters
        ----------
        lists : int64 (n, L); -1 is no list, a list named twice counts twice.
        weights : float32 (n, L), not negative, or None: all 1.
        hidden : for each query the items that may not be returned.
        cut : must be None: blocks hold a list's postings in no order of scores.

        Raises
        ------
        ValueError
            There is no such list; a weight is negative or no number; ``cut`` is given.
        """
        if cut is not None:
            raise ValueError(f"cut = {cut}: Seismic's lists cannot be read in part")
        codes, values, counts = self._queries(lists, weights)
        if hidden.ids.size == 0:
            wanted = np.full(len(lists), min(k, self._items.size))
            return *self._found(codes, values, counts, wanted, k), 0, 0
        ids, best = np.empty((len(lists), k), np.int64), np.empty((len(lists), k), np.float32)
        for first in range(0, len(lists), BLOCK):
            rows = np.arange(first, min(first + BLOCK, len(lists)))
            theirs = hidden.take(rows)
            wanted = np.minimum(k + theirs.lengths, self._items.size)
            width = max(k, int(wanted.max()))
            found = self._found(codes[rows], values[rows], counts[rows], wanted, width)
            kept = first_visible(TopK(*found), theirs, k)
            ids[rows], best[rows] = kept.ids, kept.scores
        return ids, best, 0, 0

    def _queries(
        self, lists: IntArray, weights: FloatArray | None
    ) -> tuple[npt.NDArray[np.int32], FloatArray, IntArray]:
        """Return each query as Seismic takes it: codes that ascend, their values, how many."""
        given = _UNWEIGHTED if weights is None else np.ascontiguousarray(weights, np.float32)
        if given is not _UNWEIGHTED and given.shape != lists.shape:
            raise ValueError(f"weights {given.shape} must have the shape of lists {lists.shape}")
        asked = np.ascontiguousarray(lists, np.int64)
        codes, values = np.empty(asked.shape, np.int32), np.empty(asked.shape, np.float32)
        counts = np.empty(len(asked), np.int64)
        wrong = sort_codes(
            asked, given, self._n_lists, self._dim, self.query_cut, codes, values, counts
        )
        if wrong >= 0:
            raise ValueError(
                f"query {wrong}: lists {asked[wrong].tolist()}; expected -1 or lists below "
                f"{self._n_lists}, and weights that are not negative"
            )
        return codes, values, counts

    def _found(
        self,
        codes: npt.NDArray[np.int32],
        values: FloatArray,
        counts: IntArray,
        wanted: IntArray,
        width: int,
    ) -> tuple[IntArray, FloatArray]:
        """Return what Seismic finds, in order, (n, width)."""
        shape = (len(codes), width)
        ids, scores = np.full(shape, PAD_ID, np.int64), np.full(shape, PAD_SCORE, np.float32)
        how = (self.query_cut, self.heap_factor, 0, True)
        search = self._index.search
        for row, (count, most) in enumerate(zip(counts.tolist(), wanted.tolist(), strict=True)):
            found = search(codes[row, :count], values[row, :count], most, *how) if count else ()
            if found:
                sums, places = zip(*found, strict=True)
                ids[row, : len(places)], scores[row, : len(sums)] = places, sums
        settle(self._items, self._scale, ids, scores)
        return ids, scores

    @property
    def covered(self) -> int:
        """Return the number of items in a list."""
        return int(self._items.size)

    @property
    def n_postings(self) -> int:
        """Return the number of postings."""
        return int(self._index.nnz)

    @property
    def nbytes(self) -> int:
        """Return the bytes that Seismic writes, and those of the items' numbers."""
        if self._nbytes is None:
            self._nbytes = content_of(self._index).nbytes
        return self._nbytes + self._items.nbytes

    def save(self, folder: Path) -> None:
        """Write Seismic's file as an array of bytes, with a checksum, which it lacks."""
        arrays: dict[str, npt.NDArray[Any]] = {FILE: content_of(self._index), "items": self._items}
        save_arrays(folder, KIND, arrays, {"n_lists": self._n_lists, "scale": self._scale})

    @classmethod
    def load(cls, folder: Path) -> "SeismicMerger":
        """Return the merger that `save` wrote.

        Raises
        ------
        MethodError
            Seismic is missing or cannot read the file; names it.
        """
        arrays, facts = load_arrays(folder, KIND)
        n_lists = int(facts["n_lists"])
        index = read_index(arrays[FILE], n_lists, folder / f"{FILE}.npy")
        return cls(index, arrays["items"], n_lists, float(facts["scale"]), arrays[FILE].nbytes)

"""Counted lists: SparCode's index and merge over counts of common users, in whole numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import PAD_ID, TopK
from methods.sparcode.index.lists_file import FILE, PackedFile, open_packed, write_lists
from methods.sparcode.index.packed import pack
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving.cost_model import CostModel
from methods.sparcode.serving.packed_merge import PackedMerger


@dataclass(frozen=True, slots=True)
class CountedListsParams:
    """Size of the index.

    Attributes
    ----------
    postings : items of a list, at most.
    max_history : items of a history whose lists are added up, at most: the last ones.
    """

    postings: int = 256
    max_history: int = 32

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")


class CountedLists(Retriever):
    """SparCode's index and merge with items for codes: y(q, i) = sum over the history of c(j, i).

    The list of item j holds the items that most users share with it, c(j, i) users each, the item
    itself left out; a query adds up the lists of its history. Nothing is learned and no step
    depends on the order in which floating-point numbers are added: counts are whole numbers,
    packing rounds one quotient each, merging adds whole numbers. So lists, work and bytes are the
    same on every machine, which is what `matchbench gate` holds the packing and the merge by. As a
    method it is item-item voting by raw counts (`item_knn` with ``similarity = "dot"`` and
    ``neighbours_of = "seen"``) with packed scores.

    Cost: the sum over users of their squared number of items to fit; per query at most
    max_history * postings additions. Not to be searched by two threads at a time.

    References
    ----------
    Su et al., SIGIR 2023 (the index and the merge; no code, score or training here is the
    paper's).
    """

    BuildParams: ClassVar[type[CountedListsParams]] = CountedListsParams
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.ENCODE, Capability.COUNTERS, Capability.SAVE}
    )
    exact: bool = False
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "scoring")
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)

    build_params: CountedListsParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Count the users that each two items share, and keep the largest counts of each item."""
        shape = (train.n_users, train.n_items)
        pairs = np.unique(train.events.rows * np.int64(train.n_items) + train.events.ids)
        users, items = np.divmod(pairs, np.int64(train.n_items))
        met = sparse.csr_array((np.ones(pairs.size, np.int64), (users, items)), shape=shape)
        common = sparse.coo_array(met.T @ met)
        rows, columns = common.coords
        off = rows != columns
        self._postings = _largest(
            rows[off].astype(np.int64),
            columns[off].astype(np.int64),
            common.data[off],
            train.n_items,
            self.build_params.postings,
        )
        self._listed = np.bincount(train.item_ids, minlength=train.n_items)

    def build(self) -> None:
        """Pack the lists."""
        packed = pack(self._postings, self._listed, self.build_params.max_history)
        self._serve(PackedFile(packed, None, None))
        self.mark("index_build")

    def _serve(self, file: PackedFile) -> None:
        self._packed, known, self._unread = file
        self._n_items = self._packed.items.size
        costs = CostModel.of_facts(known)
        self._merger = PackedMerger(self._packed, self._n_items, costs=costs, unread=self._unread)
        self._work = {"postings": 0, "candidates": 0}

    def encode(self, queries: Queries) -> IntArray:
        """Return the last distinct items of each history, int64 (n, max_history), -1 for none."""
        history, width = queries.history, self.build_params.max_history
        lists = np.full((len(queries), width), PAD_ID, np.int64)
        for row in range(len(queries)):
            ids = history.row(row)[::-1]
            _, first = np.unique(ids, return_index=True)
            kept = ids[np.sort(first)[:width]]
            lists[row, : kept.size] = kept
        return lists

    def search_encoded(self, encoded: IntArray, hidden: Lists, k: int) -> TopK:
        """Add up the lists of each query."""
        ids, scores, n_postings, n_candidates = self._merger.merge(encoded, None, hidden, k)
        self._work["postings"] += n_postings
        self._work["candidates"] += n_candidates
        self.mark("scoring")
        return TopK(ids, scores)

    def search(self, queries: Queries, k: int) -> TopK:
        """Take the lists of the history's items and add them up."""
        encoded = self.encode(queries)
        self.mark("encode")
        return self.search_encoded(encoded, queries.hidden, k)

    def counters(self) -> Mapping[str, int]:
        """Return postings read and items touched by searches."""
        return dict(self._work)

    def footprint(self) -> Footprint:
        """Return the bytes of the lists and of what a query is added up in."""
        sums = self._n_items * np.uint16().nbytes
        return Footprint(
            self._packed.nbytes + sums,
            {
                "postings": int(self._packed.lengths.sum()),
                "mean_list": float(self._packed.lengths.mean()),
                "impact_bits": self._packed.impact_bits,
            },
        )

    def save(self, folder: Path) -> None:
        """Write the lists into a file that is opened in place."""
        if self._unread is not None:
            self._unread.verify()  # what was altered must not get a checksum that fits
        write_lists(folder / FILE, self._packed, self._merger.costs.facts())

    def load(self, folder: Path) -> None:
        """Open the lists."""
        self._serve(open_packed(folder / FILE))


def _largest(
    rows: IntArray, columns: IntArray, counts: npt.NDArray[Any], n_items: int, most: int
) -> Postings:
    """Return for each row the columns of its ``most`` largest counts, ties to the smaller id."""
    order = np.lexsort((columns, -counts, rows))
    rows, columns, counts = rows[order], columns[order], counts[order]
    rank = np.arange(rows.size) - np.searchsorted(rows, rows, side="left")
    kept = np.flatnonzero(rank < most)
    kept = kept[np.lexsort((columns[kept], rows[kept]))]  # within a list by id
    lengths = np.bincount(rows[kept], minlength=n_items)
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return Postings(starts, columns[kept].astype(np.int32), counts[kept].astype(np.float32))

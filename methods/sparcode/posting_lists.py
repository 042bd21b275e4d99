"""Posting lists over given vectors: how SparCode serves, measured without a trained model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.interactions import Queries
from harness.lists import IntArray, Lists
from harness.retriever import Capability, Footprint
from harness.topk import TopK
from methods.sparcode.codeword_lists import CodewordLists
from methods.sparcode.index.lists_file import FILE, PackedFile, open_packed, write_lists
from methods.sparcode.index.packed import pack
from methods.sparcode.serving.cost_model import CostModel
from methods.sparcode.serving.packed_merge import PackedMerger

KIND = "posting_lists"


@dataclass(frozen=True, slots=True)
class PostingListsParams:
    """Size of the index.

    Attributes
    ----------
    n_codes : codewords, each with a list; at most n_items.
    postings : items of a list, at most.
    most_lists : lists that a search may add up, at most; impacts have the fewer bits for it.
    train_per_code : vectors per codeword in the sample that k-means sees.
    iterations : of k-means.
    """

    n_codes: int = 4096
    postings: int = 256
    most_lists: int = 16
    train_per_code: int = 32
    iterations: int = 8

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")


@dataclass(frozen=True, slots=True)
class PostingListsSearch:
    """What a query adds up: the ``lists`` of its nearest codewords (K), at most n_codes."""

    lists: int = 8

    def __post_init__(self) -> None:
        if self.lists < 1:
            raise ValueError(f"lists = {self.lists} must be at least 1")


class PostingLists(CodewordLists):
    """SparCode's index and merge over given vectors: a query adds up the lists of its K codewords.

    Codewords are a k-means of the item vectors; a codeword's list holds the items of the largest
    positive inner product with it, y(q, i) = sum_k ReLU(<c_k, i>) over the query's K nearest
    codewords. It measures what SparCode's serving structure costs as the catalogue grows, and is no
    trained model: in SparCode tokens, codes and scores are learned together. `score` is the
    exhaustive inner product of the original vectors, so ``ann_recall`` is agreement with exact
    vector search, as for the vector indexes. Lists of fixed length cover an ever smaller share of
    an ever larger catalogue: the answers get worse with n_items, the work of a query does not grow.

    Cost: n_codes * n_items * dim multiplications to build, blocked; per query n_codes * dim for the
    codes and at most K * postings additions. Not to be searched by two threads at a time.

    References
    ----------
    Su et al., "Beyond Two-tower Matching: Learning Sparse Retrievable Cross-interactions for
    Recommendation", SIGIR 2023 (the index; codes and scores here are not the paper's).
    """

    BuildParams: ClassVar[type[PostingListsParams]] = PostingListsParams
    SearchParams: ClassVar[type[PostingListsSearch]] = PostingListsSearch
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SCORE, Capability.ENCODE, Capability.COUNTERS, Capability.SAVE}
    )
    exact: bool = False
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "scoring")
    build_stages: ClassVar[tuple[str, ...]] = ("precompute", "index_build")

    build_params: PostingListsParams
    search_params: PostingListsSearch

    def build(self) -> None:
        """Score every codeword with every item and keep the best of each."""
        assert self._vectors is not None, "fit came before"
        postings = self._lists()
        self.mark("precompute")
        listed = np.bincount(postings.items, minlength=len(self._vectors))
        packed = pack(postings, listed, self.build_params.most_lists)
        self._serve(PackedFile(packed, None, None))
        self.mark("index_build")

    def _serve(self, file: PackedFile) -> None:
        self._packed, known, self._unread = file
        self._n_items = self._packed.items.size
        costs = CostModel.of_facts(known)
        self._merger = PackedMerger(self._packed, self._n_items, costs=costs, unread=self._unread)
        self._work = {"postings": 0, "candidates": 0}

    def encode(self, queries: Queries) -> IntArray:
        """Return the nearest codewords of each query, int64 (n, K).

        Raises
        ------
        MethodError
            More lists are asked for than the index was built for.
        """
        n_lists, most = self.search_params.lists, self.build_params.most_lists
        n_lists = min(n_lists, len(self._codewords))
        if n_lists > most:
            raise MethodError(f"lists = {n_lists} exceeds most_lists = {most} of the index")
        return super().encode(queries)

    def search_encoded(self, encoded: IntArray, hidden: Lists, k: int) -> TopK:
        """Add up the lists of each query."""
        ids, scores, n_postings, n_candidates = self._merger.merge(encoded, None, hidden, k)
        self._work["postings"] += n_postings
        self._work["candidates"] += n_candidates
        self.mark("scoring")
        return TopK(ids, scores)

    def counters(self) -> Mapping[str, int]:
        """Return postings read and items touched by searches."""
        return dict(self._work)

    def footprint(self) -> Footprint:
        """Return the bytes of lists, codewords and sums; the share of items in a list."""
        packed = self._packed
        if self._unread is not None:
            self._unread.verify()
        covered = np.zeros(self._n_items, np.bool_)
        covered[packed.items[packed.entries >> np.uint32(packed.impact_bits)]] = True
        sums = self._n_items * np.uint16().nbytes  # what a query is added up in
        return Footprint(
            packed.nbytes + self._codewords.nbytes + sums,
            {
                "codes_in_use": len(self._codewords),
                "postings": packed.entries.size,
                "mean_list": float(packed.lengths.mean()),
                "covered_items": float(covered.mean()),
                "impact_bits": packed.impact_bits,
            },
        )

    def save(self, folder: Path) -> None:
        """Write codewords, and the lists into a file that is opened in place."""
        save_arrays(folder, KIND, {"codewords": self._codewords})
        if self._unread is not None:
            self._unread.verify()  # what was altered must not get a checksum that fits
        write_lists(folder / FILE, self._packed, self._merger.costs.facts())

    def load(self, folder: Path) -> None:
        """Read codewords, open the lists."""
        arrays, _ = load_arrays(folder, KIND)
        self._codewords = arrays["codewords"]
        self._serve(open_packed(folder / FILE))

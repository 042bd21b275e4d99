"""Posting lists over given vectors, added up by Seismic: the peer of `posting_lists`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.arrays import load_arrays, save_arrays
from harness.lists import IntArray, Lists
from harness.retriever import Capability, Footprint
from harness.topk import TopK
from methods.sparcode.codeword_lists import CodewordLists
from methods.sparcode.serving.seismic_engine import SeismicBlocks, load_seismic
from methods.sparcode.serving.seismic_merge import SeismicMerger

KIND, ENGINE = "seismic_lists", "seismic"


@dataclass(frozen=True, slots=True)
class SeismicListsParams:
    """Size of the lists, as of `PostingLists`, and Seismic's blocks, see `SeismicBlocks`.

    Attributes
    ----------
    n_codes : codewords, each with a list; at most n_items.
    postings : items of a list, at most.
    train_per_code : vectors per codeword in the sample that k-means sees.
    iterations : of k-means.
    centroid_fraction : blocks of a list, as a share of its postings, in (0, 1].
    min_cluster_size : items of a block, at least.
    summary_energy : share of the sum of a block's largest scores that its summary keeps, (0, 1].
    doc_cut : codes of an item that tell which items are similar.
    """

    n_codes: int = 4096
    postings: int = 256
    train_per_code: int = 32
    iterations: int = 8
    centroid_fraction: float = 0.1
    min_cluster_size: int = 2
    summary_energy: float = 0.4
    doc_cut: int = 15

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name in ("centroid_fraction", "summary_energy"):
                if not 0 < value <= 1:
                    raise ValueError(f"{name} = {value} must be above 0 and at most 1")
            elif value < 1:
                raise ValueError(f"{name} = {value} must be at least 1")


@dataclass(frozen=True, slots=True)
class SeismicListsSearch:
    """What a query adds up, and what of it Seismic may leave out.

    Attributes
    ----------
    lists : lists of a query's nearest codewords (K), at most n_codes.
    query_cut : lists that are opened, those of the nearest codewords; more than K means all. What
        is found in them is added up over all K.
    heap_factor : a block is left out whose summary promises less than this share of the k-th best
        sum so far; 0 leaves out none.
    """

    lists: int = 8
    query_cut: int = 8
    heap_factor: float = 0.8

    def __post_init__(self) -> None:
        for name in ("lists", "query_cut"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        if not self.heap_factor >= 0:
            raise ValueError(f"heap_factor = {self.heap_factor} must not be negative")


class SeismicLists(CodewordLists):
    """The lists of `PostingLists`, of the same codewords and scores, in Seismic's index.

    What differs is who adds up: `SeismicMerger` says how Seismic does, what it leaves out and in
    which precision. `score` is the inner product of the original vectors here too, so that the two
    methods have one ``ann_recall``: agreement with exact vector search, not with the sums. Leaving
    out what a sum would put first may raise it, above all with few lists opened; how much of the
    best sums Seismic keeps, `suites/micro/sparse_engines.py` prints. It counts no work.

    Cost: as `PostingLists` to build, and Seismic's clustering of each list; 8 bytes a posting in
    a temporary file. Not to be searched by two threads at a time.

    References
    ----------
    Bruch et al., SIGIR 2024 (the engine); Su et al., SIGIR 2023 (the lists, see `PostingLists`).
    """

    BuildParams: ClassVar[type[SeismicListsParams]] = SeismicListsParams
    SearchParams: ClassVar[type[SeismicListsSearch]] = SeismicListsSearch
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SCORE, Capability.ENCODE, Capability.SAVE}
    )
    exact: bool = False
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "scoring")
    build_stages: ClassVar[tuple[str, ...]] = ("precompute", "index_build")

    build_params: SeismicListsParams
    search_params: SeismicListsSearch

    def build(self) -> None:
        """Score every codeword with every item, keep the best, give them to Seismic.

        Raises
        ------
        MethodError
            Seismic is not installed; no codeword has an item of a positive inner product.
        """
        load_seismic()  # before the work
        postings = self._lists()
        self.mark("precompute")
        params = self.build_params
        blocks = SeismicBlocks(
            params.centroid_fraction,
            params.min_cluster_size,
            params.summary_energy,
            params.doc_cut,
        )
        self._merger = SeismicMerger.of(postings, blocks)
        assert self._vectors is not None, "fit came before"
        self._n_items = len(self._vectors)
        self.mark("index_build")

    def search_encoded(self, encoded: IntArray, hidden: Lists, k: int) -> TopK:
        """Let Seismic add up the lists of each query."""
        self._merger.query_cut = self.search_params.query_cut
        self._merger.heap_factor = self.search_params.heap_factor
        ids, scores, _, _ = self._merger.merge(encoded, None, hidden, k)
        self.mark("scoring")
        return TopK(ids, scores)

    def footprint(self) -> Footprint:
        """Return the bytes of Seismic's index and of the codewords; the share of items in a list.

        Seismic's are those of the file that it writes: it tells nothing of its memory.
        """
        return Footprint(
            self._merger.nbytes + self._codewords.nbytes,
            {
                "codes_in_use": len(self._codewords),
                "postings": self._merger.n_postings,
                "mean_list": self._merger.n_postings / len(self._codewords),
                "covered_items": self._merger.covered / self._n_items,
            },
        )

    def save(self, folder: Path) -> None:
        """Write codewords, and Seismic's index into a folder of its own."""
        save_arrays(folder, KIND, {"codewords": self._codewords}, {"n_items": self._n_items})
        (folder / ENGINE).mkdir()
        self._merger.save(folder / ENGINE)

    def load(self, folder: Path) -> None:
        """Read codewords and Seismic's index."""
        arrays, facts = load_arrays(folder, KIND)
        self._codewords, self._n_items = arrays["codewords"], int(facts["n_items"])
        self._merger = SeismicMerger.load(folder / ENGINE)

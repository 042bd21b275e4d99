"""Scann: ScaNN as a retriever over vectors that come with the data."""

from dataclasses import dataclass
from typing import ClassVar

from harness.retriever import Capability, Footprint, Retriever
from methods.ann.retriever import VectorRetriever
from methods.ann.scann_index import ScannIndex
from methods.ann.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class ScannParams:
    """How cells and codes are made.

    Attributes
    ----------
    leaves : cells; 0 stands for sqrt(n_items), rounded.
    dims_per_block : dimensions that one code of four bits stands for.
    anisotropic_threshold : T of the paper: errors along a vector weigh the more the higher it is.
    soar_lambda : a vector is put into a second cell too, where the first one's error is least like
        the second's; 0 puts it into one only.
    """

    leaves: int = 0
    dims_per_block: int = 2
    anisotropic_threshold: float = 0.2
    soar_lambda: float = 0.0

    def __post_init__(self) -> None:
        if self.leaves < 0 or self.dims_per_block < 1:
            raise ValueError(
                f"leaves = {self.leaves} must be 0 (sqrt(n_items)) or more, dims_per_block = "
                f"{self.dims_per_block} at least 1"
            )
        if not 0 <= self.anisotropic_threshold < 1 or self.soar_lambda < 0:
            raise ValueError(
                f"anisotropic_threshold = {self.anisotropic_threshold} must lie in 0..1 (1 not "
                f"included), soar_lambda = {self.soar_lambda} must not be negative"
            )


@dataclass(frozen=True, slots=True)
class ScannSearch:
    """What a query looks into.

    Attributes
    ----------
    leaves_to_search : cells; more than there are means all.
    reorder : candidates whose exact inner product is computed, at least k.
    """

    leaves_to_search: int = 32
    reorder: int = 300

    def __post_init__(self) -> None:
        if self.leaves_to_search < 1 or self.reorder < 1:
            raise ValueError(
                f"leaves_to_search = {self.leaves_to_search} and reorder = {self.reorder} must be "
                "at least 1"
            )


class Scann(VectorRetriever):
    """Search over given vectors by ScaNN: near cells, codes looked up, exact products of the best.

    Cost: k-means over at most 100,000 vectors and leaves * n_items * dim multiplications to build;
    a query compares itself with the leaves' centres, adds up n_items * leaves_to_search / leaves
    times dim / dims_per_block table entries on average, and computes `reorder` inner products.
    Memory: the vectors, half a byte a block and item, the centres. Needs the extra `scann`
    (Apache-2.0). ScaNN counts no work and takes no seed: fitted twice, the answers differ where not
    all cells are searched. Hidden items are dropped after the search.

    References
    ----------
    Guo, Sun, Lindgren, Geng, Simcha, Chern and Kumar, "Accelerating Large-Scale Inference with
    Anisotropic Vector Quantization", ICML 2020. Sun, Simcha, Dopson, Guo and Kumar, "SOAR:
    Improved Indexing for Approximate Nearest Neighbor Search", NeurIPS 2023.
    """

    BuildParams: ClassVar[type[ScannParams]] = ScannParams
    SearchParams: ClassVar[type[ScannSearch]] = ScannSearch
    capabilities: ClassVar[frozenset[Capability]] = VectorRetriever.capabilities - {
        Capability.COUNTERS
    }
    exact: bool = False
    counters = Retriever.counters  # undeclared: there is nothing to count with

    build_params: ScannParams
    search_params: ScannSearch
    _index: ScannIndex

    def _new_index(self) -> VectorIndex:
        params = self.build_params
        return ScannIndex(
            params.leaves,
            params.dims_per_block,
            params.anisotropic_threshold,
            params.soar_lambda,
        )

    def _tune(self) -> None:
        self._index.leaves_to_search = self.search_params.leaves_to_search
        self._index.reorder = self.search_params.reorder

    def footprint(self) -> Footprint:
        """Return the bytes of the index, and the number of cells."""
        return Footprint(self._index.nbytes, {"leaves": self._index.leaves})

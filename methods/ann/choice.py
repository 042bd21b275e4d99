"""The index of a method that may have one of several: its parameters, and how it is made."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import MethodError
from methods.ann.euclidean import VectorSpace
from methods.ann.flat import exact_index
from methods.ann.hnsw import FaissHNSW
from methods.ann.ivf import FaissIVF
from methods.ann.params import HNSWParams, HNSWSearch, IVFParams, IVFSearch
from methods.ann.vector_index import VectorIndex


@dataclass(frozen=True)
class IndexChoice:
    """Which index searches the vectors, and how it is made.

    Attributes
    ----------
    index : ``flat``, exact, on any device; ``ivf`` and ``hnsw`` are approximate, and for the CPU.
    nlist, train_per_list, cell_space : of ``ivf``, see `methods.ann.params.IVFParams`.
    m, ef_construction, graph_space : of ``hnsw``, see `methods.ann.params.HNSWParams`.
    """

    index: Literal["flat", "ivf", "hnsw"] = "flat"
    nlist: int = 0
    train_per_list: int = 40
    cell_space: VectorSpace = "euclidean"
    m: int = 16
    ef_construction: int = 40
    graph_space: VectorSpace = "euclidean"

    def check_index(self) -> None:
        """Raise ValueError for what the indexes refuse."""
        IVFParams(self.nlist, self.train_per_list, self.cell_space)
        HNSWParams(self.m, self.ef_construction, self.graph_space)

    def new_index(self, device: str, seed: int) -> VectorIndex:
        """Return an empty index.

        Raises
        ------
        MethodError
            An approximate one is asked for on another device than the CPU.
        """
        if self.index == "flat":
            return exact_index(device)
        if device != "cpu":
            raise MethodError(
                f"index = {self.index!r} runs on the CPU, not on {device}; 'flat' does"
            )
        if self.index == "ivf":
            return FaissIVF(self.nlist, self.train_per_list, self.cell_space, seed=seed)
        return FaissHNSW(self.m, self.ef_construction, self.graph_space)


@dataclass(frozen=True)
class IndexSearch:
    """How far a query looks; an index without the parameter does not read it.

    Attributes
    ----------
    nprobe : of ``ivf``, see `methods.ann.params.IVFSearch`.
    ef_search : of ``hnsw``, see `methods.ann.params.HNSWSearch`.
    """

    nprobe: int = 16
    ef_search: int = 128

    def __post_init__(self) -> None:
        IVFSearch(self.nprobe)  # refuse what the indexes refuse
        HNSWSearch(self.ef_search)

    def tune(self, index: VectorIndex) -> None:
        """Hand the search parameters to an index that has them."""
        if isinstance(index, FaissIVF):
            index.nprobe = self.nprobe
        elif isinstance(index, FaissHNSW):
            index.ef_search = self.ef_search

"""The index over item vectors: exact, or one of the approximate ones of `methods/ann`."""

from dataclasses import dataclass

from harness.errors import MethodError
from methods.ann.flat import exact_index
from methods.ann.hnsw import FaissHNSW
from methods.ann.ivf import FaissIVF
from methods.ann.retriever import HNSWParams, HNSWSearch, IVFParams, IVFSearch
from methods.ann.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class TwoTowerSearch:
    """How far a query looks; an index without the parameter does not read it.

    Attributes
    ----------
    nprobe : of ``index = "ivf"``, see `methods.ann.retriever.IVFSearch`.
    ef_search : of ``index = "hnsw"``, see `methods.ann.retriever.HNSWSearch`.
    """

    nprobe: int = 16
    ef_search: int = 128

    def __post_init__(self) -> None:
        IVFSearch(self.nprobe)  # refuse what the indexes refuse
        HNSWSearch(self.ef_search)


def new_index(
    name: str, ivf: IVFParams, hnsw: HNSWParams, *, device: str, seed: int
) -> VectorIndex:
    """Return an empty index: ``exact``, ``ivf`` or ``hnsw``.

    Raises
    ------
    MethodError
        An approximate one is asked for on another device than the CPU.
    """
    if name == "exact":
        return exact_index(device)
    if device != "cpu":
        raise MethodError(f"index = {name!r} runs on the CPU, not on {device}; 'exact' does")
    if name == "ivf":
        return FaissIVF(ivf.nlist, ivf.train_per_list, seed=seed)
    return FaissHNSW(hnsw.m, hnsw.ef_construction)


def tune(index: VectorIndex, search: TwoTowerSearch) -> None:
    """Hand the search parameters to an index that has them."""
    if isinstance(index, FaissIVF):
        index.nprobe = search.nprobe
    elif isinstance(index, FaissHNSW):
        index.ef_search = search.ef_search

"""Parameters of the poly-encoder."""

from dataclasses import dataclass
from typing import Literal

from methods.ann.euclidean import VectorSpace
from methods.ann.params import HNSWParams, HNSWSearch, IVFParams, IVFSearch
from methods.encoders.params import EncoderParams


@dataclass(frozen=True, slots=True)
class PolyEncoderParams(EncoderParams):
    """Sizes and index; the query's encoder and how to train, see `EncoderParams`.

    Attributes
    ----------
    dim : length of every vector.
    hidden : units of the perceptrons, and of the layers of ``gru4rec``.
    n_codes : m, learned codes, each of which makes a vector of a query; with 1 the score is an
        inner product.
    index : ``exact``: every item is scored. ``flat``, ``ivf`` and ``hnsw`` search the items'
        vectors with each of the m vectors for candidates; for the CPU.
    nlist, train_per_list, cell_space : of ``ivf``, see `methods.ann.params.IVFParams`.
    m, ef_construction, graph_space : of ``hnsw``, see `methods.ann.params.HNSWParams`.
    """

    dim: int = 64
    hidden: int = 128
    n_codes: int = 8
    index: Literal["exact", "flat", "ivf", "hnsw"] = "exact"
    nlist: int = 0
    train_per_list: int = 40
    cell_space: VectorSpace = "euclidean"
    m: int = 16
    ef_construction: int = 40
    graph_space: VectorSpace = "euclidean"

    def __post_init__(self) -> None:
        self.check_positive("nlist", "dropout")
        self.check_encoder(self.dim)
        self.check_scores("poly_encoder")
        IVFParams(
            self.nlist, self.train_per_list, self.cell_space
        )  # refuse what the indexes refuse
        HNSWParams(self.m, self.ef_construction, self.graph_space)


@dataclass(frozen=True, slots=True)
class PolyEncoderSearch:
    """How candidates are found; ``index = "exact"`` reads none of it.

    Attributes
    ----------
    n_candidates : items that each of the m vectors brings, at least k; all are scored exactly.
    nprobe : of ``index = "ivf"``, see `methods.ann.params.IVFSearch`.
    ef_search : of ``index = "hnsw"``, see `methods.ann.params.HNSWSearch`.
    """

    n_candidates: int = 128
    nprobe: int = 16
    ef_search: int = 128

    def __post_init__(self) -> None:
        if self.n_candidates < 1:
            raise ValueError(f"n_candidates = {self.n_candidates} must be above 0")
        IVFSearch(self.nprobe)
        HNSWSearch(self.ef_search)

"""Parameters of each index: how it is built, how it is searched; refused here where senseless."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from harness.retriever import NoParams
from methods.ann.euclidean import VectorSpace

__all__ = ["NoParams"]


@dataclass(frozen=True, slots=True)
class IVFParams:
    """How the cells are made.

    Attributes
    ----------
    nlist : cells; 0 stands for 4 * sqrt(n_items), rounded.
    train_per_list : vectors per cell in the sample that k-means sees.
    cell_space : by what a vector's cell is chosen; queries always choose cells by inner product.
        ``euclidean``: by distance to the centroid. ``inner_product``: by the product with centroids
        of length 1, which puts vectors together by direction alone; where lengths vary, short
        vectors then cost as much as the long ones that are found.
    """

    nlist: int = 0
    train_per_list: int = 40
    cell_space: VectorSpace = "euclidean"

    def __post_init__(self) -> None:
        if self.nlist < 0 or self.train_per_list < 1:
            raise ValueError(
                f"nlist = {self.nlist} must be 0 (4 * sqrt(n_items)) or more, train_per_list = "
                f"{self.train_per_list} at least 1"
            )


@dataclass(frozen=True, slots=True)
class IVFSearch:
    """What a query looks into: ``nprobe`` cells; more than there are means all."""

    nprobe: int = 16

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True, slots=True)
class IVFPQParams(IVFParams):
    """Cells as in `IVFParams`, and the codes of what is in them.

    Attributes
    ----------
    dims_per_block : dimensions that one code stands for; divides the length of the vectors.
    bits : of a code; 2^bits codewords a block, trained from as many vectors at least.
    """

    dims_per_block: int = 4
    bits: int = 8

    def __post_init__(self) -> None:
        IVFParams.__post_init__(self)
        check_positive(self, "nlist")
        if self.bits > 12:
            raise ValueError(f"bits = {self.bits} must be at most 12")


@dataclass(frozen=True, slots=True)
class FastScanParams(IVFParams):
    """Cells as in `IVFParams`; codes of 4 bits, one for each ``dims_per_block`` dimensions."""

    dims_per_block: int = 2

    def __post_init__(self) -> None:
        IVFParams.__post_init__(self)
        check_positive(self, "nlist")


@dataclass(frozen=True, slots=True)
class RefineSearch:
    """What is scored again: ``k_factor`` * k candidates, by their exact inner products."""

    k_factor: int = 4

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True, slots=True)
class IVFRefineSearch(IVFSearch):
    """As `IVFSearch`; then ``k_factor`` * k candidates get their exact inner products."""

    k_factor: int = 4


@dataclass(frozen=True, slots=True)
class HNSWParams:
    """How the graph is made.

    Attributes
    ----------
    m : M, neighbours of a vector in the upper layers; twice as many at the bottom.
    ef_construction : efConstruction, candidates kept while inserting a vector.
    graph_space : by what the neighbours of a vector are chosen; queries are always answered by
        inner product. ``euclidean``: by distance, once a further coordinate has made all vectors
        equally long (`methods.ann.euclidean`), so that the walk has a metric to follow.
        ``inner_product``: by the product itself, which prefers the longest vectors as neighbours;
        where lengths vary, a walk may then miss much of the best even at a large ``ef_search``.
    """

    m: int = 16
    ef_construction: int = 40
    graph_space: VectorSpace = "euclidean"

    def __post_init__(self) -> None:
        if self.m < 2 or self.ef_construction < 1:
            raise ValueError(
                f"m = {self.m} must be at least 2, ef_construction = {self.ef_construction} "
                "at least 1"
            )


@dataclass(frozen=True, slots=True)
class HNSWSearch:
    """How far a query looks: ``ef_search`` candidates kept while walking, at least k."""

    ef_search: int = 128

    def __post_init__(self) -> None:
        check_positive(self)


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
        check_positive(self)


@dataclass(frozen=True, slots=True)
class TorchFlatParams:
    """How inner products are computed.

    Attributes
    ----------
    index_precision : ``bfloat16`` computes all products in bfloat16 and those of the best
        candidates again in float32; it is for GPUs. ``float32`` computes each once.
    """

    index_precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, slots=True)
class CagraParams:
    """How the graph is made.

    Attributes
    ----------
    graph_degree : neighbours of a vector.
    intermediate_graph_degree : neighbours before the graph is pruned, at least as many.
    """

    graph_degree: int = 64
    intermediate_graph_degree: int = 128

    def __post_init__(self) -> None:
        if not 0 < self.graph_degree <= self.intermediate_graph_degree:
            raise ValueError(
                f"graph_degree = {self.graph_degree} must be at least 1 and at most "
                f"intermediate_graph_degree = {self.intermediate_graph_degree}"
            )


@dataclass(frozen=True, slots=True)
class CagraSearch:
    """How far a query looks: ``itopk_size`` candidates kept while walking, at least k."""

    itopk_size: int = 128

    def __post_init__(self) -> None:
        check_positive(self)


def check_positive(params: Any, *but: str) -> None:
    """Raise ValueError for a number below 1, those named in ``but`` aside; None is no number."""
    for one in fields(params):
        value = getattr(params, one.name)
        if one.name not in but and isinstance(value, int) and value < 1:
            raise ValueError(f"{one.name} = {value} must be at least 1")

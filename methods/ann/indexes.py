"""The table of indexes: name -> its build and search parameters, and how it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from harness.errors import MethodError
from methods.ann.cagra import FaissCagra
from methods.ann.euclidean import VectorSpace
from methods.ann.flat import FaissFlat, FaissSQ8, exact_index
from methods.ann.hnsw import FaissHNSW
from methods.ann.hnswlib_index import HnswlibIndex
from methods.ann.ivf import FaissFastScan, FaissIVF, FaissIVFPQ
from methods.ann.params import (
    CagraParams,
    CagraSearch,
    FastScanParams,
    HNSWParams,
    HNSWSearch,
    IVFParams,
    IVFPQParams,
    IVFRefineSearch,
    IVFSearch,
    NoParams,
    RefineSearch,
    ScannParams,
    ScannSearch,
    TorchFlatParams,
    check_positive,
)
from methods.ann.refusals import (
    FAST_SCAN_BITS,
    blocks_fault,
    check_cells,
    check_codewords,
    check_scann,
)
from methods.ann.scann_index import ScannIndex
from methods.ann.torch_flat import TorchFlat
from methods.ann.vector_index import VectorIndex

CPU, GPU = "cpu", "cuda"


@dataclass(frozen=True, slots=True)
class IndexKind:
    """One index.

    Attributes
    ----------
    build, search : frozen dataclasses of parameters; each field of ``search`` is an attribute of
        the index, so that a search parameter never rebuilds.
    make : parameters, device, seed -> an empty index.
    devices : that it runs on.
    is_exact : build parameters -> whether a search finds the best k, whatever it is told.
    check_items : build parameters, n_items; raises MethodError where no index can be of so many.
    """

    build: type[Any]
    search: type[Any]
    make: Callable[[Any, str, int], VectorIndex]
    devices: tuple[str, ...] = (CPU,)
    is_exact: Callable[[Any], bool] = lambda _: False
    check_items: Callable[[Any, int], None] = lambda *_: None


def _ivf(params: IVFParams, device: str, seed: int) -> VectorIndex:
    return FaissIVF(
        params.nlist, params.train_per_list, params.cell_space, device=device, seed=seed
    )


def _ivf_pq(refined: bool) -> Callable[[IVFPQParams, str, int], VectorIndex]:
    def make(params: IVFPQParams, device: str, seed: int) -> VectorIndex:
        return FaissIVFPQ(
            params.nlist, params.train_per_list, params.dims_per_block, params.bits,
            params.cell_space,
            device=device, seed=seed, refined=refined,
        )  # fmt: skip

    return make


def _fast_scan(refined: bool) -> Callable[[FastScanParams, str, int], VectorIndex]:
    def make(params: FastScanParams, device: str, seed: int) -> VectorIndex:
        return FaissFastScan(
            params.nlist,
            params.train_per_list,
            params.dims_per_block,
            cell_space=params.cell_space,
            seed=seed,
            refined=refined,
        )

    return make


def _scann(params: ScannParams, device: str, seed: int) -> VectorIndex:
    return ScannIndex(
        params.leaves, params.dims_per_block, params.anisotropic_threshold, params.soar_lambda
    )


def _check_ivf(params: IVFParams, n_items: int) -> None:
    check_cells("nlist", params.nlist, n_items)


def _check_ivf_pq(params: IVFPQParams, n_items: int) -> None:
    _check_ivf(params, n_items)
    check_codewords(params.bits, n_items)


def _check_fast_scan(params: FastScanParams, n_items: int) -> None:
    _check_ivf(params, n_items)
    check_codewords(FAST_SCAN_BITS, n_items)


def _check_scann(params: ScannParams, n_items: int) -> None:
    check_scann(n_items)
    check_cells("leaves", params.leaves, n_items)


def _always(_: Any) -> bool:
    return True


INDEXES: Mapping[str, IndexKind] = {
    "flat": IndexKind(
        NoParams, NoParams, lambda _, device, seed: exact_index(device), (CPU, GPU), _always
    ),
    "faiss_flat": IndexKind(
        NoParams, NoParams, lambda _, device, seed: FaissFlat(device), (CPU, GPU), _always
    ),
    "torch_flat": IndexKind(
        TorchFlatParams,
        RefineSearch,
        lambda params, device, seed: TorchFlat(device, params.index_precision),
        (CPU, GPU),
        lambda params: bool(params.index_precision == "float32"),
    ),
    "ivf": IndexKind(IVFParams, IVFSearch, _ivf, (CPU, GPU), check_items=_check_ivf),
    "ivf_pq": IndexKind(
        IVFPQParams, IVFSearch, _ivf_pq(refined=False), (CPU, GPU), check_items=_check_ivf_pq
    ),
    "ivf_pq_refine": IndexKind(
        IVFPQParams, IVFRefineSearch, _ivf_pq(refined=True), check_items=_check_ivf_pq
    ),
    "ivf_pq_fast_scan": IndexKind(
        FastScanParams, IVFSearch, _fast_scan(refined=False), check_items=_check_fast_scan
    ),
    "ivf_pq_fast_scan_refine": IndexKind(
        FastScanParams, IVFRefineSearch, _fast_scan(refined=True), check_items=_check_fast_scan
    ),
    "sq8": IndexKind(NoParams, NoParams, lambda _, device, seed: FaissSQ8()),
    "sq8_refine": IndexKind(NoParams, RefineSearch, lambda _, device, seed: FaissSQ8(refined=True)),
    "hnsw": IndexKind(
        HNSWParams,
        HNSWSearch,
        lambda p, device, seed: FaissHNSW(p.m, p.ef_construction, p.graph_space),
    ),
    "hnswlib": IndexKind(
        HNSWParams,
        HNSWSearch,
        lambda p, device, seed: HnswlibIndex(p.m, p.ef_construction, seed, p.graph_space),
    ),
    "scann": IndexKind(ScannParams, ScannSearch, _scann, check_items=_check_scann),
    "cagra": IndexKind(
        CagraParams,
        CagraSearch,
        lambda p, device, seed: FaissCagra(p.graph_degree, p.intermediate_graph_degree, device),
        (GPU,),
    ),
}
IndexName = Literal[
    "flat", "faiss_flat", "torch_flat", "ivf", "ivf_pq", "ivf_pq_refine", "ivf_pq_fast_scan",
    "ivf_pq_fast_scan_refine", "sq8", "sq8_refine", "hnsw", "hnswlib", "scann", "cagra",
]  # fmt: skip


def new_index(name: str, params: Any, *, device: str, seed: int) -> VectorIndex:
    """Return an empty index.

    Parameters
    ----------
    params : as `IndexKind.build` of the index says.

    Raises
    ------
    MethodError
        The index does not run on the device, or a library is missing.
    """
    kind = INDEXES[name]
    if device.partition(":")[0] not in kind.devices:
        others = [one for one, other in INDEXES.items() if GPU in other.devices]
        also = f"; on {GPU} run {', '.join(others)}" if device.startswith(GPU) else ""
        raise MethodError(f"index = {name!r} runs on {kind.devices[0]}, not on {device}{also}")
    return kind.make(params, device, seed)


@dataclass(frozen=True)
class IndexParams:
    """The index of a method that may have any, and the index's parameters.

    Attributes
    ----------
    index : its name in `methods.ann.indexes.INDEXES`. Only what it takes may be given; what is
        left out gets the index's default, and what it does not take stays none.
    nlist, train_per_list, cell_space, dims_per_block, bits, m, ef_construction, graph_space,
    leaves, anisotropic_threshold, soar_lambda, index_precision, graph_degree,
    intermediate_graph_degree : see `methods.ann.params`.
    """

    index: IndexName = "flat"
    nlist: int | None = None
    train_per_list: int | None = None
    cell_space: VectorSpace | None = None
    dims_per_block: int | None = None
    bits: int | None = None
    m: int | None = None
    ef_construction: int | None = None
    graph_space: VectorSpace | None = None
    leaves: int | None = None
    anisotropic_threshold: float | None = None
    soar_lambda: float | None = None
    index_precision: Literal["float32", "bfloat16"] | None = None
    graph_degree: int | None = None
    intermediate_graph_degree: int | None = None

    def settle_index(self) -> None:
        """Fill in the defaults of the index; for ``__post_init__``.

        Raises
        ------
        ValueError
            A parameter that the index does not take, or a value that it refuses.
        """
        params = self.of_index
        for one in fields(params):
            object.__setattr__(self, one.name, getattr(params, one.name))

    def check_dim(self, dim: int) -> None:
        """Raise ValueError where the index cannot hold vectors of ``dim``; after `settle_index`."""
        blocks = self.dims_per_block
        if blocks and self.index != "scann" and (fault := blocks_fault(blocks, dim)):
            raise ValueError(f"{fault}: index = {self.index!r}")

    def check_items(self, n_items: int) -> None:
        """Raise MethodError where no index can be of so many items."""
        self.kind.check_items(self.of_index, n_items)

    @property
    def of_index(self) -> Any:
        """Return the parameters that the index takes."""
        return _chosen(self.index, INDEXES[self.index].build, self, INDEX_PARAMS)

    @property
    def kind(self) -> IndexKind:
        """Return the index's entry."""
        return INDEXES[self.index]


INDEX_PARAMS = frozenset(one.name for one in fields(IndexParams)) - {"index"}


@dataclass(frozen=True, slots=True)
class IndexSearch:
    """How far a query looks; only what the index takes may be given.

    Attributes
    ----------
    nprobe, k_factor, ef_search, leaves_to_search, reorder, itopk_size : see `methods.ann.params`.
    """

    nprobe: int | None = None
    k_factor: int | None = None
    ef_search: int | None = None
    leaves_to_search: int | None = None
    reorder: int | None = None
    itopk_size: int | None = None

    def __post_init__(self) -> None:
        check_positive(self)

    def of_index(self, name: str) -> Any:
        """Return the parameters that an index takes, its defaults filled in.

        Raises
        ------
        ValueError
            One is given that the index does not take.
        """
        return _chosen(name, INDEXES[name].search, self, [one.name for one in fields(self)])

    def settled(self, name: str) -> "IndexSearch":
        """Return the same with the defaults of an index filled in; raises as `of_index`."""
        found = self.of_index(name)
        return IndexSearch(**{one.name: getattr(found, one.name) for one in fields(found)})


def _chosen(index: str, cls: type[Any], flat: Any, names: Any) -> Any:
    """Return ``cls`` of what is given in ``flat``, a dataclass that has the fields ``names``."""
    given = {name: getattr(flat, name) for name in names if getattr(flat, name) is not None}
    takes = [one.name for one in fields(cls)]
    for name, value in given.items():
        if name not in takes:
            raise ValueError(
                f"{name} = {value} is not for index = {index!r}, which takes "
                f"{', '.join(takes) or 'none'}"
            )
    return cls(**given)

"""The index of a method that may have one of a few: parameters that all of these read together."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from harness.errors import MethodError
from methods.ann.euclidean import VectorSpace
from methods.ann.indexes import INDEXES, new_index
from methods.ann.vector_index import VectorIndex


@dataclass(frozen=True)
class IndexSettings:
    """Which index searches the vectors, and how it is made; an index reads what it takes.

    Beside `methods.ann.indexes.IndexParams`, of any index, these are few, have defaults, and may
    stand for an index that does not take them.

    Attributes
    ----------
    index : its name in `methods.ann.indexes.INDEXES`; a subclass says which it may be.
    nlist, train_per_list, cell_space : of ``ivf``, see `methods.ann.params.IVFParams`.
    m, ef_construction, graph_space : of ``hnsw``, see `methods.ann.params.HNSWParams`.
    """

    index: str = "flat"
    nlist: int = 0
    train_per_list: int = 40
    cell_space: VectorSpace = "euclidean"
    m: int = 16
    ef_construction: int = 40
    graph_space: VectorSpace = "euclidean"

    def check_index(self) -> None:
        """Raise ValueError for what the indexes refuse."""
        for name in ("ivf", "hnsw"):
            _taken(INDEXES[name].build, self)

    def check_items(self, n_items: int) -> None:
        """Raise MethodError where no index can be of so many items; ``exact`` is none."""
        if self.index in INDEXES:
            kind = INDEXES[self.index]
            kind.check_items(_taken(kind.build, self), n_items)

    def new_index(self, device: str, seed: int) -> VectorIndex:
        """Return an empty index.

        Raises
        ------
        MethodError
            An approximate one is asked for on another device than the CPU.
        """
        if self.index != "flat" and device != "cpu":
            raise MethodError(
                f"index = {self.index!r} runs on the CPU, not on {device}; 'flat' does"
            )
        params = _taken(INDEXES[self.index].build, self)
        return new_index(self.index, params, device=device, seed=seed)

    def tune(self, index: VectorIndex, search: "IndexSearch") -> None:
        """Hand an index of `new_index` the search parameters that it takes."""
        index.tune(_taken(INDEXES[self.index].search, search))


SETTINGS = frozenset(one.name for one in fields(IndexSettings))


@dataclass(frozen=True)
class IndexChoice(IndexSettings):
    """See `IndexSettings`: ``flat``, exact, on any device; ``ivf`` and ``hnsw`` for the CPU."""

    index: Literal["flat", "ivf", "hnsw"] = "flat"


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
        for name in ("ivf", "hnsw"):  # refuse what the indexes refuse
            _taken(INDEXES[name].search, self)


def _taken(cls: type[Any], given: Any) -> Any:
    """Return ``cls``, a dataclass, of the values that its fields have in ``given``."""
    return cls(**{one.name: getattr(given, one.name) for one in fields(cls)})

"""Retriever: the one interface behind which every method stands, and what it returns.

Life of a retriever, as the harness drives it::

    retriever = Class(build_params, device="cpu", seed=7, progress=...)
    retriever.fit(train, validation)      # learn; `refit(everything)` follows where it is declared
    retriever.build()                     # make the index that serves; timed apart from fit
    for search_params in ...:             # changing these never rebuilds
        retriever.search_params = search_params
        retriever.search(queries, k)      # timed

The harness has checked names and values of parameters, ``1 <= k <= n_items``, and that queries
refer to known items; a method does not repeat it. A method does not time, filter by relevance or
compute metrics. It never mutates what it is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from harness.errors import MethodError
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.spaces import Space
from harness.stages import Mark, no_mark
from harness.topk import TopK


class Capability(StrEnum):
    """What a method can do beyond fit and search. Declared in the class, never probed."""

    SCORE = "score"  # score(): the exhaustive scorer of the trained model
    ENCODE = "encode"  # encode() and search_encoded(): the two halves of search
    SAVE = "save"  # save() and load(): the built index on disk
    COUNTERS = "counters"  # counters(): the work done by searches so far
    VALIDATION = "validation"  # fit() stops early or chooses by the validation part
    REFIT = "refit"  # refit(): train again on everything, with what validation chose
    RESIDENT = "resident"  # to_device(), search_resident(), to_host(): searching without copies
    SAVE_FIT = "save_fit"  # save_fit() and load_fit(): the fitted model, before build


@dataclass(frozen=True, slots=True)
class NoParams:
    """The parameters of a method that has none."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the built method holds, by its own account.

    Attributes
    ----------
    index_bytes : bytes of everything that search touches: vectors, lists, encoder weights.
    details : further numbers worth a record (codes in use, postings, epochs trained), by name.
    history : ``fit`` and ``refit`` of a method that trains in epochs -> of each epoch what is worth
        a record (loss, validation score, codes in use), by name.
    taken_over_s : ``fit`` and ``refit`` -> seconds that an interrupted attempt had spent on what
        this one took over from `Retriever.checkpoint_folder`; a phase from the start is not there.
    """

    index_bytes: int
    details: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    taken_over_s: Mapping[str, float] = field(default_factory=dict)


class Retriever(ABC):
    """A method that returns k candidates for each query.

    Class attributes declare what a method takes and can do; see `Capability`.

    Attributes
    ----------
    BuildParams, SearchParams : frozen dataclasses; a value that makes no sense raises ValueError
        in ``__post_init__`` with what was given and what was expected.
    TuneSpace : build parameters that `matchbench tune` varies where a suite does not say which, and
        their values, see `harness.spaces`; empty: none.
    capabilities : set of Capability.
    devices : devices that fit, build and search can run on.
    exact : True when search returns the best k by the method's own exhaustive score; where that
        depends on the build parameters, an instance says it.
    index_params : names of build parameters that only `build` and `search` read; where that depends
        on the build parameters, an instance says it. Of a method that declares SAVE_FIT, trials
        that differ in nothing else have one fit.
    search_stages, build_stages : the stages that search and build mark, of `harness.stages`.
    mark : called with a stage's name where that stage ends; the harness listens, or nobody does.
        What was done since the mark before (or since the call began) counts for the stage.
    checkpoint_folder : where `fit` and `refit` may leave their state, and find what an interrupted
        attempt at the same work left; None, unless the harness sets it. It may not exist yet.
    """

    BuildParams: ClassVar[type[Any]] = NoParams
    SearchParams: ClassVar[type[Any]] = NoParams
    TuneSpace: ClassVar[Space] = MappingProxyType({})
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    exact: bool = True
    index_params: frozenset[str] = frozenset()
    search_stages: ClassVar[tuple[str, ...]] = ()
    build_stages: ClassVar[tuple[str, ...]] = ()

    build_params: Any
    search_params: Any

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters; work starts in `fit`. None stands for the defaults."""
        self.build_params = self.BuildParams() if build_params is None else build_params
        self.search_params = self.SearchParams()
        self.device = device
        self.seed = seed
        self.progress = progress
        self.mark: Mark = no_mark
        self.checkpoint_folder: Path | None = None

    @abstractmethod
    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Learn from ``train``.

        A method that declares VALIDATION gets the training part without the validation part, and
        the latter to choose by. Every other method gets all training data, and None.
        """

    def refit(self, train: Interactions) -> None:
        """Learn once more from all training data, with what `fit` chose (epochs, for instance).

        The model after `refit` depends only on that choice, the seed and ``train``.
        """
        raise self._undeclared(Capability.REFIT)

    @classmethod
    def settle_search(cls, build_params: Any, search_params: Any) -> Any:
        """Return search parameters as they are read under ``build_params``, defaults filled in.

        Asked while a suite is planned; a method whose search parameters depend on what is built
        raises ValueError for one that is not there. The default changes nothing.
        """
        return search_params

    @classmethod  # noqa: B027  most methods take any log
    def check_log(cls, build_params: Any, log: Interactions) -> None:
        """Refuse parameters that a log does not allow, before anything is run.

        Asked while a suite is planned; ``log`` is all that may be learned from. A method whose
        parameters depend on it (more cells than items, an encoder of order) raises MethodError. The
        default refuses nothing.
        """

    def save_fit(self, folder: Path) -> None:
        """Write what `fit` and `refit` learned into an existing empty folder."""
        raise self._undeclared(Capability.SAVE_FIT)

    def load_fit(self, folder: Path, train: Interactions) -> None:
        """Become the method that called `save_fit`, ready for `build`.

        ``train`` is what it learned from last. This one may differ from it in `index_params`.
        """
        raise self._undeclared(Capability.SAVE_FIT)

    def build(self) -> None:  # noqa: B027  a method whose model serves as it is has nothing to build
        """Make the structure that serves. The default does nothing."""

    @abstractmethod
    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items of each query under ``search_params``, hidden ones left out."""

    def footprint(self) -> Footprint:
        """Return the bytes that search touches, and other facts of the built method."""
        return Footprint(0)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the model's score of every given item for every query, float32 (n, n_item_ids).

        It is the exhaustive score that `search` under the present ``search_params`` stands for:
        the best k of it, hidden items left out, is what an exact search returns. An item that
        search never returns (of a sparse method: one without a positive score) has -inf.
        """
        raise self._undeclared(Capability.SCORE)

    def encode(self, queries: Queries) -> Any:
        """Return the queries in the form the index takes, such as float32 (n, dim) vectors."""
        raise self._undeclared(Capability.ENCODE)

    def search_encoded(self, encoded: Any, hidden: Lists, k: int) -> TopK:
        """Return the k best items for what `encode` returned; `search` is these two in a row."""
        raise self._undeclared(Capability.ENCODE)

    def to_device(self, queries: Queries) -> Any:
        """Return the queries as `search_resident` takes them, on the method's device.

        Of a method on the CPU nothing is asked: its device is the host.
        """
        raise self._undeclared(Capability.RESIDENT)

    def search_resident(self, placed: Any, k: int) -> Any:
        """Return the k best items for what `to_device` returned; nothing leaves the device."""
        raise self._undeclared(Capability.RESIDENT)

    def to_host(self, found: Any) -> TopK:
        """Return what `search_resident` found; with it, `search` in three steps."""
        raise self._undeclared(Capability.RESIDENT)

    def save(self, folder: Path) -> None:
        """Write the built method into an existing empty folder, all that `search` needs.

        `harness.arrays.save_arrays` does it without pickle.
        """
        raise self._undeclared(Capability.SAVE)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote, ready to search, without fit or build, in a fresh process.

        The retriever was made with the same build parameters and device.
        """
        raise self._undeclared(Capability.SAVE)

    def counters(self) -> Mapping[str, int]:
        """Return the work of all searches so far: ``postings``, ``candidates``, ``distances``."""
        raise self._undeclared(Capability.COUNTERS)

    def _undeclared(self, capability: Capability) -> MethodError:
        return MethodError(f"{type(self).__name__} does not declare the capability {capability!r}")

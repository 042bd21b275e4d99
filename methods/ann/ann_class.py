"""AnnClass: a class written for ann-benchmarks, as a retriever over given vectors."""

import importlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal

import numpy as np

from harness.errors import MethodError, near
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.given_vectors import item_vectors, query_vectors
from methods.ann.vector_index import order_ties
from methods.ann.visible import first_visible

GROUP = "matchbench.ann_classes"
NEEDED = ("fit", "query")


@dataclass(frozen=True, slots=True)
class AnnClassParams:
    """Which class, and what it is made with.

    Attributes
    ----------
    target : ``module:Class`` or ``module.Class``, else the name of an entry point in the group
        ``matchbench.ann_classes``.
    arguments : a JSON list, the arguments of the class: '["angular", {"M": 16}]'.
    distance : by which nearness is told: what the class is asked to find.
    """

    target: str = "methods.ann.brute_force:BruteForce"
    arguments: str = '["angular"]'
    distance: Literal["angular", "euclidean", "ip"] = "angular"

    def __post_init__(self) -> None:
        _json_list("arguments", self.arguments)
        if not self.target:
            raise ValueError("target = '' names no class; expected module:Class")


@dataclass(frozen=True, slots=True)
class AnnClassSearch:
    """How it is asked.

    Attributes
    ----------
    query_arguments : a JSON list, the arguments of ``set_query_arguments``; '[]' does not call it.
    batch : whether several queries at once go to ``batch_query``, else to ``query`` one by one.
    """

    query_arguments: str = "[]"
    batch: bool = False

    def __post_init__(self) -> None:
        _json_list("query_arguments", self.query_arguments)


class AnnClass(Retriever):
    """Ask a class with ann-benchmarks' methods for the nearest vectors, and score what it returns.

    ``fit(X)`` of the class runs in `build`, with the items' field ``vector``; ``query(v, n)`` or
    ``batch_query(X, n)`` with ``get_batch_results()`` in `search`. As such a class hides nothing,
    it is asked for as many more as a query hides. It returns ids alone, so the distance of each is
    computed here, k * dim multiplications a query, and lists are put in that order; ann-benchmarks
    times neither. ``get_memory_usage()`` (kilobytes) is the size of the index where there is one.
    The class cannot be saved, so numbers of a fresh process are missing; a change of its code does
    not make records stale: run with --force. ``batch_query`` may start threads of its own.

    References
    ----------
    Aumüller, Bernhardsson and Faithfull, ANN-Benchmarks, Information Systems 87, 2020.
    """

    BuildParams: ClassVar[type[AnnClassParams]] = AnnClassParams
    SearchParams: ClassVar[type[AnnClassSearch]] = AnnClassSearch
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.SCORE})
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "candidates", "scoring")
    build_stages: ClassVar[tuple[str, ...]] = ("index_build",)
    exact: bool = False

    build_params: AnnClassParams
    search_params: AnnClassSearch
    _asked: AnnClassSearch | None = None

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Take the item vectors and make the class; nothing is learned."""
        cls = find_class(self.build_params.target)
        arguments = json.loads(self.build_params.arguments)
        self._items = np.ascontiguousarray(item_vectors(train), np.float32)
        self._squares = np.einsum("ij,ij->i", self._items, self._items)
        self._algorithm = cls(*arguments)

    def build(self) -> None:
        """Hand the vectors to the class."""
        self._algorithm.fit(self._items)
        self.mark("index_build")

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k nearest that the class finds and a query does not hide."""
        vectors = np.ascontiguousarray(query_vectors(queries), np.float32)
        self.mark("encode")
        self._set_arguments()
        wanted = min(k + int(queries.hidden.lengths.max(initial=0)), len(self._items))
        ids = self._ask(vectors, wanted)
        self.mark("candidates")
        scores = np.full(ids.shape, PAD_SCORE, np.float32)
        for row, found in enumerate(ids):  # a row at a time: alone or in a batch, the same sums
            kept = found != PAD_ID
            scores[row, kept] = self._nearness(vectors[row], found[kept])
        found_all = first_visible(order_ties(ids, scores), queries.hidden, k)
        self.mark("scoring")
        return found_all

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the negated distance (of ``ip`` the product), float32 (n, n_item_ids)."""
        vectors = np.ascontiguousarray(query_vectors(queries), np.float32)
        if not len(vectors):
            return np.zeros((0, item_ids.size), np.float32)
        return np.stack([self._nearness(one, item_ids) for one in vectors])

    def footprint(self) -> Footprint:
        """Return the bytes that the class tells of, else those of the vectors."""
        usage = getattr(self._algorithm, "get_memory_usage", None)
        kilobytes = None if usage is None else usage()
        told = self._items.nbytes if kilobytes is None else 1024 * kilobytes
        return Footprint(int(told))

    def _set_arguments(self) -> None:
        if self._asked == self.search_params:
            return
        arguments = json.loads(self.search_params.query_arguments)
        if arguments:
            self._algorithm.set_query_arguments(*arguments)
        self._asked = self.search_params

    def _ask(self, vectors: FloatArray, n: int) -> IntArray:
        """Return what the class found, int64 (n_queries, n), padded.

        Raises
        ------
        MethodError
            It returned an id that is none, or one twice for the same query.
        """
        if self.search_params.batch and len(vectors) > 1:
            self._algorithm.batch_query(vectors, n)
            answers = self._algorithm.get_batch_results()
        else:
            answers = [self._algorithm.query(one, n) for one in vectors]
        ids = np.full((len(vectors), n), PAD_ID, np.int64)
        for row, answer in enumerate(answers):
            found = self._ids_of(answer)[:n]
            ids[row, : found.size] = found
        return ids

    def _ids_of(self, answer: Iterable[Any]) -> IntArray:
        found = np.asarray(answer if isinstance(answer, np.ndarray) else list(answer), np.int64)
        found = found[found != PAD_ID]  # some libraries fill up with -1
        if found.size and not 0 <= found.min() <= found.max() < len(self._items):
            shown = found[(found < 0) | (found >= len(self._items))][0]
            raise MethodError(
                f"{self.build_params.target}: returned id {shown}, expected one of "
                f"0..{len(self._items) - 1}"
            )
        if np.unique(found).size < found.size:
            raise MethodError(f"{self.build_params.target}: returned an id twice for one query")
        return np.asarray(found)

    def _nearness(self, vector: FloatArray, item_ids: IntArray) -> FloatArray:
        """Return how near items are to one query, float32 (n_item_ids,)."""
        products = np.einsum("ij,j->i", self._items[item_ids], vector)
        if self.build_params.distance == "ip":
            return np.asarray(products, np.float32)
        if self.build_params.distance == "euclidean":
            squared = self._squares[item_ids] - 2 * products + vector @ vector
            return np.asarray(-np.sqrt(np.maximum(squared, 0)), np.float32)
        lengths = np.sqrt(self._squares[item_ids] * (vector @ vector))
        return np.asarray(products / np.maximum(lengths, np.float32(1e-30)) - 1, np.float32)


def find_class(target: str) -> Any:
    """Return the class that a dotted path or an entry point names.

    Raises
    ------
    MethodError
        There is none, it cannot be imported, or it lacks a method; says which.
    """
    named = {point.name: point.value for point in entry_points(group=GROUP)}
    place = named.get(target, target)
    module, _, name = place.partition(":") if ":" in place else place.rpartition(".")
    if not module or not name:
        raise MethodError(
            f"target = {target!r}: expected module:Class, or an entry point of {GROUP!r}"
            f"{near(target, named)}"
        )
    try:
        cls = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of others may raise anything while it is imported
        shown = f"{type(error).__name__}: {error}"
        raise MethodError(f"target = {target!r} cannot be loaded: {shown}") from error
    lacking = [one for one in NEEDED if not callable(getattr(cls, one, None))]
    if not isinstance(cls, type) or lacking:
        shown = f"has no {' and no '.join(lacking)}" if lacking else "is no class"
        raise MethodError(
            f"target = {target!r}: {name} {shown}; expected a class of ann-benchmarks"
        )
    return cls


def _json_list(name: str, text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise ValueError(f"""{name} = {text!r} is no JSON list such as '["angular", 16]'""")

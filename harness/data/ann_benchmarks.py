"""Data files of ann-benchmarks (HDF5): vectors to search, query vectors, and their neighbours."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from harness.data.by_path import AnnBenchmarksParams
from harness.data.log import TEST, TRAIN, VALIDATION, Log, arrange
from harness.data.recorded import parse_call
from harness.errors import DatasetError
from harness.fields import Dense, Fields
from harness.lists import FloatArray, IntArray

FIELD = "vector"  # of items and of users; what vector indexes take
PARTS = ("train", "test", "neighbors")
DISTANCES = ("angular", "euclidean", "ip", "dot")


@dataclass(frozen=True, slots=True)
class RawVectors:
    """What a file holds.

    Attributes
    ----------
    name : of the file, without its ending: what ann-benchmarks calls the data set.
    items, queries : float32 (n_items, dim), (n_queries, dim).
    neighbors : int64 (n_queries, depth), nearest first.
    distance : one of `DISTANCES`.
    """

    name: str
    items: FloatArray
    queries: FloatArray
    neighbors: IntArray
    distance: str


def read_ann_benchmarks(params: AnnBenchmarksParams, place: Path) -> Log:
    """Read a file as a log: queries are users, and their nearest neighbours are what is relevant.

    The first ``relevant`` neighbours are the test part, the next one is training and the one after
    validation: every query is known, and hiding its history hides none of its answers. ``recall@k``
    with k = ``relevant`` is the recall of ann-benchmarks, but by id: of two items at the same
    distance only the one that the file names counts. Most items have no event, so a suite needs
    ``split = { kind = "given", cold_items = "keep" }``.

    With ``vectors = "inner_product"`` the greatest inner product of the fields ``vector`` is the
    nearest item: ``angular`` vectors are divided by their length; of ``euclidean`` the mean
    item is taken from all, an item x becomes (x, -|x|^2 / 2) and a query q becomes (q, 1), whose
    product is (|q|^2 - |q - x|^2) / 2. Exact search is right then, but a graph whose neighbours are
    chosen by such products is poor: among 3,000 random vectors of 64 dimensions HNSW (M 16, efC 40,
    efSearch 64) found 0.01 of the ten neighbours with ``graph_space = "inner_product"``, 0.92 with
    the default, ``euclidean``. For approximate search by the distance itself take ``vectors =
    "as_given"`` and a class that computes it (`methods.ann.ann_class`).

    Raises
    ------
    DatasetError
        The file cannot be read, lacks a part, has another distance, or too few neighbours.
    """
    raw = read_file(place)
    n_queries, depth = raw.neighbors.shape
    if depth < params.relevant + 2:
        raise DatasetError(
            f"{place}: holds {depth} neighbours of a query; relevant = {params.relevant} and two "
            f"for its history need {params.relevant + 2}"
        )
    items, queries = raw.items, raw.queries
    if params.vectors == "inner_product":
        items, queries = _for_inner_products(items, queries, raw.distance)
    used = params.relevant + 2
    roles = [TEST] * params.relevant + [TRAIN, VALIDATION]
    return arrange(
        Log(
            user_ids=np.repeat(np.arange(n_queries, dtype=np.int64), used),
            item_ids=raw.neighbors[:, :used].ravel(),
            n_users=n_queries,
            n_items=len(items),
            part=np.tile(np.array(roles, np.int8), n_queries),
            user_fields=Fields(n_queries, {FIELD: Dense(queries)}),
            item_fields=Fields(len(items), {FIELD: Dense(items)}),
        )
    )


def raw_vectors(dataset: str, root: Path) -> RawVectors:
    """Return the file behind a record's ``dataset``, which names it by path."""
    _, params = parse_call(dataset, AnnBenchmarksParams)
    return read_file(root / params["path"])


def read_file(place: Path) -> RawVectors:
    """Read a data file; see `read_ann_benchmarks` for what is refused."""
    try:
        with h5py.File(place, "r") as file:
            lacking = [one for one in PARTS if one not in file]
            if lacking:
                given = ", ".join(sorted(file)) or "nothing"
                raise DatasetError(f"{place}: holds {given}; expected also {', '.join(lacking)}")
            arrays = {one: np.asarray(file[one]) for one in PARTS}
            distance = file.attrs.get("distance", "")
    except OSError as error:
        raise DatasetError(f"{place}: cannot be read as HDF5: {error}") from error
    distance = distance.decode() if isinstance(distance, bytes) else str(distance)
    if distance not in DISTANCES:
        raise DatasetError(
            f"{place}: distance {distance!r}; expected one of {', '.join(DISTANCES)}"
        )
    _check(place, arrays)
    return RawVectors(
        place.stem,
        np.ascontiguousarray(arrays["train"], np.float32),
        np.ascontiguousarray(arrays["test"], np.float32),
        arrays["neighbors"].astype(np.int64),
        distance,
    )


def _check(place: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    train, test, neighbors = (arrays[one] for one in PARTS)
    shapes = f"train {train.shape}, test {test.shape}, neighbors {neighbors.shape}"
    if any(one.ndim != 2 for one in (train, test, neighbors)):
        raise DatasetError(f"{place}: {shapes}; expected two dimensions each")
    if train.shape[1] != test.shape[1] or len(test) != len(neighbors):
        raise DatasetError(
            f"{place}: {shapes}; expected (n, dim), (queries, dim), (queries, depth)"
        )
    if neighbors.size and not 0 <= neighbors.min() <= neighbors.max() < len(train):
        raise DatasetError(f"{place}: neighbors must lie in 0..{len(train) - 1}")


def _for_inner_products(
    items: FloatArray, queries: FloatArray, distance: str
) -> tuple[FloatArray, FloatArray]:
    if distance == "angular":
        return _of_length_one(items), _of_length_one(queries)
    if distance == "euclidean":
        centre = items.mean(axis=0, dtype=np.float64)  # smaller numbers, less rounding
        moved = (items - centre).astype(np.float32)
        squares = np.einsum("ij,ij->i", moved, moved, dtype=np.float64)
        ones = np.ones((len(queries), 1), np.float32)
        return (
            np.concatenate([moved, (-0.5 * squares)[:, None].astype(np.float32)], axis=1),
            np.concatenate([(queries - centre).astype(np.float32), ones], axis=1),
        )
    return items, queries


def _of_length_one(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-30)))

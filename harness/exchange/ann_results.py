"""Result files of ann-benchmarks (HDF5): what a run returned, how long it took, what it cost.

Data sets ``neighbors`` and ``distances`` (n, count), padded with -1 and inf, ``times`` (seconds);
attributes such as ``best_search_time``, ``build_time`` and ``index_size`` (kilobytes).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from harness.compare.log_ratio import number_of
from harness.errors import ExchangeError
from harness.exchange.point import Point
from harness.lists import FloatArray, IntArray
from harness.query_values import QueryLists
from harness.topk import PAD_ID


@dataclass(frozen=True, slots=True)
class AnnResult:
    """What a result file holds.

    Attributes
    ----------
    neighbors, distances : int64 and float32 (n, count), -1 and inf where fewer were found.
    times : float64, seconds: of each query in a file of ann-benchmarks', in ours of each send.
    facts : the attributes.
    """

    neighbors: IntArray
    distances: FloatArray
    times: npt.NDArray[np.float64]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnnTruth:
    """The true neighbours that a data file of ann-benchmarks holds, nearest first, (n, depth)."""

    neighbors: IntArray
    distances: FloatArray
    distance: str


def write_result(
    path: Path,
    point: Point,
    number: int,
    lists: QueryLists,
    distances: FloatArray,
    distance: str,
    dataset: str,
) -> None:
    """Write the answers of a point with the times of its load ``number``.

    ``times`` holds every send of the timed pass in order, as percentiles are taken of them all;
    the additional data set ``times_rows`` names the row of ``neighbors`` of each where that is
    known. Of batches each query gets its share of the call, of ``offline`` its share of the whole.

    Parameters
    ----------
    distances : float (n, k) of the answers, smaller is nearer.
    distance : its name, in ann-benchmarks' words where they have one.

    Raises
    ------
    ExchangeError
        No rate was measured, so that there is no time to write; a load that fixes the rate measures
        none.
    """
    record = point.records[number]
    qps = number_of(record, "qps")
    if not qps:
        raise ExchangeError(
            f"point {point.name}: load {point.load_name(number)} has no QPS of its own; a result "
            "file of ann-benchmarks needs the time of a search"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = lists.answers.ids
    times, rows = _times(lists, number, len(ids), qps)
    built_s = sum(one or 0.0 for one in (record.fit_s, record.refit_s, record.build_s))
    facts: dict[str, Any] = {
        "algo": record.case,
        "name": point.name,
        "dataset": dataset,
        "distance": distance,
        "count": ids.shape[1],
        "batch_mode": record.load.get("kind") in ("batch", "offline"),
        "best_search_time": 1 / qps,
        "build_time": built_s,
        "candidates": float((ids != PAD_ID).sum(axis=1).mean()),
        "expect_extra": False,
        "index_size": (record.index_bytes or 0) / 1024,
        "run_count": 1,
        "load": json.dumps(dict(record.load)),
        "replay": record.replay,
        "commit": record.commit,
    }
    if "distances" in record.counters:
        facts["dist_comps"] = record.counters["distances"]
    with h5py.File(path, "w") as file:
        file.attrs.update(facts)
        file.create_dataset("neighbors", data=ids.astype(np.int32))
        file.create_dataset(
            "distances", data=np.where(ids == PAD_ID, np.inf, distances), dtype="f4"
        )
        file.create_dataset("times", data=times, dtype="f8")
        if rows is not None:
            file.create_dataset("times_rows", data=rows)


def read_result(path: Path) -> AnnResult:
    """Read a result file, ours or theirs.

    Raises
    ------
    ExchangeError
        It cannot be read, lacks a part, or parts do not fit together; says which.
    """
    with _opened(path) as file:
        ids, distances = (_matrix(path, file, name) for name in ("neighbors", "distances"))
        if ids.shape != distances.shape:
            raise ExchangeError(
                f"{path}: neighbors are {ids.shape}, distances {distances.shape}; expected the same"
            )
        times = np.asarray(file["times"], np.float64) if "times" in file else np.zeros(0)
        facts = {name: _plain(value) for name, value in file.attrs.items()}
    return AnnResult(ids.astype(np.int64), distances.astype(np.float32), times, facts)


def read_truth(path: Path) -> AnnTruth:
    """Read the true neighbours of a data file; raises as `read_result`."""
    with _opened(path) as file:
        ids, distances = (_matrix(path, file, name) for name in ("neighbors", "distances"))
        distance = str(_plain(file.attrs.get("distance", "")))
    if ids.shape != distances.shape:
        raise ExchangeError(f"{path}: neighbors are {ids.shape}, distances {distances.shape}")
    return AnnTruth(ids.astype(np.int64), distances.astype(np.float32), distance)


def _times(
    lists: QueryLists, number: int, n: int, qps: float
) -> tuple[npt.NDArray[np.float64], IntArray | None]:
    """Return the seconds of each send and, where it is known, the row of its query."""
    rows = lists.times.get(f"latency_rows/{number}")
    known = None if rows is None else rows.astype(np.int64)
    if (single := lists.times.get(f"latency_s/{number}")) is not None:
        return single.astype(np.float64), known
    calls = lists.times.get(f"call_s/{number}")
    if calls is not None and known is not None and len(calls) and len(known) % len(calls) == 0:
        batch = len(known) // len(calls)
        return np.repeat(calls.astype(np.float64) / batch, batch), known
    return np.full(n, 1 / qps), None


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ExchangeError(f"{path}: cannot be read as HDF5: {error}") from error


def _matrix(path: Path, file: h5py.File, name: str) -> npt.NDArray[Any]:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or found.ndim != 2:
        given = f"only {sorted(file)}" if found is None else f"{name} of shape {found.shape}"
        raise ExchangeError(f"{path}: found {given}, expected the data set {name!r} (n, count)")
    return np.asarray(found)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value

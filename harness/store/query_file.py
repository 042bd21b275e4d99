"""``per_query/<id>.npz``: what each test query scored and got at one operating point."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import RecordError
from harness.query_values import QueryLists, QueryValues
from harness.topk import TopK

PREFIX = "metrics/"
FACTS = "queries/"
LATENCIES = "latency_s/"
TIMES = (LATENCIES, "call_s/", "latency_rows/", "arrival_s/")


def read_query_values(folder: Path, per_query: str | None) -> QueryValues:
    """Return the per-query values of a record; times and lists are left on disk.

    Parameters
    ----------
    folder : of the results.
    per_query : the record's field of this name.

    Raises
    ------
    RecordError
        The record names no file, or the file cannot be read; names the file.
    """
    with _opened(folder, per_query) as (path, arrays):
        user_ids = arrays["user_ids"]
        names = [one.removeprefix(PREFIX) for one in arrays.files if one.startswith(PREFIX)]
        values = {name: arrays[PREFIX + name] for name in names}
        facts = {
            one.removeprefix(FACTS): arrays[one].astype(np.float64)
            for one in arrays.files
            if one.startswith(FACTS)
        }
        whole = all(len(one) == len(user_ids) for one in values.values())
        rows = None if whole else arrays["exact_rows"]
    spread = {name: _spread(one, rows, len(user_ids), path) for name, one in values.items()}
    return QueryValues(user_ids.astype(np.int64), spread, facts)


def read_latencies(folder: Path, per_query: str | None) -> dict[int, npt.NDArray[np.float64]]:
    """Return the seconds of each timed query by the number of the load, {} where none were kept.

    Raises
    ------
    RecordError
        The file cannot be read; names it.
    """
    if per_query is None:
        return {}
    with _opened(folder, per_query) as (_, arrays):
        return {
            int(one.removeprefix(LATENCIES)): arrays[one].astype(np.float64)
            for one in arrays.files
            if one.startswith(LATENCIES)
        }


def read_query_lists(folder: Path, per_query: str | None) -> QueryLists:
    """Return the lists and the raw times of a record; its values are left on disk.

    Parameters and errors are those of `read_query_values`.
    """
    with _opened(folder, per_query) as (path, arrays):
        user_ids, ids, scores = (arrays[name] for name in ("user_ids", "ids", "scores"))
        times = {name: arrays[name] for name in arrays.files if name.startswith(TIMES)}
    if ids.shape != scores.shape or ids.ndim != 2 or len(ids) != len(user_ids):
        raise RecordError(
            f"{path}: holds ids {ids.shape} and scores {scores.shape} for {len(user_ids)} queries"
        )
    answers = TopK(ids.astype(np.int64), scores.astype(np.float32))
    return QueryLists(user_ids.astype(np.int64), answers, times)


@contextmanager
def _opened(folder: Path, per_query: str | None) -> Iterator[tuple[Path, Any]]:
    """Give the path of a file and its arrays; whatever is wrong with it becomes a RecordError."""
    if per_query is None:
        raise RecordError(f"{folder}: a record names no file of per-query values")
    path = folder / per_query
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield path, arrays
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: is no file of per-query values: {error}") from error


def _spread(
    values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64] | None, n: int, path: Path
) -> npt.NDArray[np.float64]:
    """Return values in their rows of all n queries, NaN elsewhere."""
    if len(values) == n:
        return values
    if rows is None or len(rows) != len(values):
        raise RecordError(f"{path}: holds {len(values)} values for {n} queries")
    spread = np.full(n, np.nan)
    spread[rows] = values
    return spread

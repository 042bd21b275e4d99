"""``per_query/<id>.npz``: what each test query scored at one operating point."""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.errors import RecordError
from harness.query_values import QueryValues

PREFIX = "metrics/"
FACTS = "queries/"
LATENCIES = "latency_s/"


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
    if per_query is None:
        raise RecordError(f"{folder}: a record names no file of per-query values")
    path = folder / per_query
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
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
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path}: is no file of per-query values: {error}") from error
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
    path = folder / per_query
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {
                int(one.removeprefix(LATENCIES)): arrays[one].astype(np.float64)
                for one in arrays.files
                if one.startswith(LATENCIES)
            }
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
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

"""``per_query/<id>.npz``: what each test query scored and got at one operating point."""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from harness.errors import RecordError
from harness.query_values import QueryLists, QueryValues
from harness.topk import TopK

PREFIX = "metrics/"
FACTS = "queries/"
LATENCIES = "latency_s/"
EXTENSION = ".npy"
DAMAGE = (
    ValueError, KeyError, IndexError, EOFError, struct.error, zlib.error, zipfile.BadZipFile
)  # fmt: skip
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
def _opened(folder: Path, per_query: str | None) -> Iterator[tuple[Path, "_Arrays"]]:
    """Give the path of a file and its arrays; whatever is wrong with it becomes a RecordError."""
    if per_query is None:
        raise RecordError(f"{folder}: a record names no file of per-query values")
    path = folder / per_query
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as members:
            yield path, _Arrays(file, members)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except DAMAGE as error:
        raise RecordError(f"{path}: is no file of per-query values: {error}") from error


class _Arrays:
    """Arrays by name as `numpy.load` gives them, in less than half of its time.

    A comparison of 5,000 records reads as many files of a few small arrays. So a member is read at
    once, and a header that many have is parsed once.
    """

    def __init__(self, file: BinaryIO, members: zipfile.ZipFile) -> None:
        self._file, self._members = file, members
        self.files = [one.removesuffix(EXTENSION) for one in members.namelist()]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return an array, read-only; a KeyError where there is none."""
        content = self._content(self._members.getinfo(name + EXTENSION))
        length = 2 if content[6] == 1 else 4  # bytes of the header's length, by the version
        start = 8 + length + int.from_bytes(content[8 : 8 + length], "little")
        shape, is_fortran, dtype = _form(content[:start])
        flat = np.frombuffer(content, dtype, offset=start)
        return flat.reshape(shape, order="F" if is_fortran else "C")

    def _content(self, member: zipfile.ZipInfo) -> bytes:
        if member.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            raise ValueError(f"{member.filename} is compressed as numpy compresses nothing")
        self._file.seek(member.header_offset)
        local = self._file.read(30)  # its last two fields are the lengths of name and extra field
        self._file.seek(sum(struct.unpack("<HH", local[26:])), os.SEEK_CUR)
        content = self._file.read(member.compress_size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            content = zlib.decompress(content, -zlib.MAX_WBITS, member.file_size)
        if zlib.crc32(content) != member.CRC:
            raise ValueError(f"{member.filename} is damaged")
        return content


@lru_cache(maxsize=1024)
def _form(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type that the header of an array says."""
    file = BytesIO(header)
    version = np.lib.format.read_magic(file)
    form = np.lib.format
    read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("objects are not read")
    return shape, is_fortran, dtype


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

"""The index on disk: one file of arrays that is opened in place, without pickle.

::

    preamble    64 bytes: magic, version, byte order, lengths of header and file, checksum
    header      JSON: facts; of each section name, dtype, shape, offset, bytes; CRC-32 of the sums
    sections    the arrays, row-major, each at a multiple of 64 bytes, with zeros between
    sums        the CRC-32 of each `BLOCK_BYTES` of each section, uint32

Opening *always* checks magic, version, byte order, the length of the file, the checksums of
preamble, header and sums, and the zeros between sections. Sections are compared with their sums,
the smallest first, until `VERIFIED_BYTES` are read. A larger one is not read, so opening takes no
longer for it; it comes with a `Check`, and whoever reads from it asks that first for what it will
read: an altered block is refused when it is first touched. A checksum finds accidents, no forgery.
"""

import math
import os
import secrets
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.arrays import Array
from harness.errors import MethodError
from methods.sparcode.index.checksums import Bytes, Check, blocks_of, sums_of
from methods.sparcode.index.index_header import (
    ALIGNMENT,
    PREAMBLE_BYTES,
    SUMS,
    aligned,
    head_of,
    read_header,
)

VERIFIED_BYTES = 64_000_000
KINDS = "biuf"  # of dtypes: truth values, whole numbers, floats


class IndexFile(NamedTuple):
    """What a file holds: arrays by name, and facts as JSON can say them.

    ``unread`` : the checks of the arrays that were not read, by name; to be asked before these are.
    """

    arrays: dict[str, Array]
    facts: Any
    unread: dict[str, Check]


def write_index(path: Path, arrays: Mapping[str, Array], facts: Any = None) -> None:
    """Write arrays and facts, or leave what was at ``path``: the file appears whole or not at all.

    Raises
    ------
    ValueError
        An array of a dtype that is no number or truth value.
    """
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in whole.items():
        if array.dtype.kind not in KINDS or not array.dtype.isnative:
            raise ValueError(
                f"{path}: array {name!r} has dtype {array.dtype}, expected numbers or truth values "
                "in this machine's byte order"
            )
    sums = np.concatenate([np.zeros(0, np.uint32), *(sums_of(one) for one in whole.values())])
    head, offsets, length = head_of(whole, sums, facts)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("xb") as file:
            file.write(head)
            for offset, array in zip(offsets, (*whole.values(), sums), strict=True):
                file.write(bytes(offset - file.tell()))
                file.write(array.reshape(-1).view(np.uint8).data)
            file.write(bytes(length - file.tell()))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def open_index(path: Path, *, verify: bool | None = None, copy_on_write: bool = False) -> IndexFile:
    """Open a file in place; arrays are mapped and read-only.

    Parameters
    ----------
    verify : compare all sections with their checksums, or none of them; None: the smallest, up to
        `VERIFIED_BYTES` in all. What was not compared has its check in ``unread``.
    copy_on_write : arrays may be written to, in this process's memory and never in the file.
        Compiled code with fixed signatures takes no read-only arrays.

    Raises
    ------
    MethodError
        No such file, of another format, a later version or the other byte order, cut, or altered;
        names the file, what was found and what was expected.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = read_header(path, file.read(PREAMBLE_BYTES), file, size)
        mapped = np.memmap(path, np.uint8, mode="c" if copy_on_write else "r")
    except OSError as error:
        raise MethodError(f"{path}: cannot be opened: {error}") from error
    sections = header["sections"]
    arrays = {one["name"]: _section(path, one, mapped) for one in sections}
    _refuse_between(path, (*sections, header[SUMS]), mapped)
    unread = _checks(path, header, mapped)
    limit = size if verify else VERIFIED_BYTES if verify is None else 0
    for section in sorted(sections, key=lambda one: int(one["bytes"])):
        limit -= section["bytes"]
        if verify is not False and limit >= 0:
            unread.pop(section["name"]).verify()
    return IndexFile(arrays, header["facts"], unread)


def _section(path: Path, section: Mapping[str, Any], mapped: Bytes) -> Array:
    """Return a section as an array; the table must fit the file even where its checksum does."""
    dtype, shape = np.dtype(section["dtype"]), tuple(section["shape"])
    first, after = section["offset"], section["offset"] + section["bytes"]
    expected = math.prod(shape) * dtype.itemsize
    if section["bytes"] != expected or first % ALIGNMENT or not 0 <= first <= after <= mapped.size:
        raise MethodError(
            f"{path}: section {section['name']!r} lies at {first} with {section['bytes']} bytes, "
            f"expected {expected} bytes at a multiple of {ALIGNMENT} within {mapped.size}"
        )
    array: Array = np.asarray(mapped)[first:after].view(dtype).reshape(shape)
    return array


def _checks(path: Path, header: Mapping[str, Any], mapped: Bytes) -> dict[str, Check]:
    """Return what checks each section, once the sums are as they were written."""
    sums, of_sums = _section(path, header[SUMS], mapped), header[SUMS]
    found = zlib.crc32(sums.view(np.uint8).data)
    n_blocks = sum(blocks_of(one["bytes"]) for one in header["sections"])
    if found != of_sums["crc32"] or sums.size != n_blocks:
        raise MethodError(
            f"{path}: its {sums.size} checksums, expected {n_blocks}, were altered since they were "
            f"written: theirs is {found:#010x}, expected {of_sums['crc32']:#010x}"
        )
    checks, place = {}, 0
    for one in header["sections"]:
        first, after = one["offset"], one["offset"] + one["bytes"]
        own = sums[place : place + blocks_of(one["bytes"])]
        checks[one["name"]] = Check(path, one["name"], np.asarray(mapped)[first:after], own)
        place += own.size
    return checks


def _refuse_between(path: Path, sections: Iterable[Mapping[str, Any]], mapped: Bytes) -> None:
    """See that there are zeros behind each section."""
    for section in sections:
        after = section["offset"] + section["bytes"]
        if mapped[after : aligned(after)].any():
            raise MethodError(
                f"{path}: holds bytes after section {section['name']!r} that are not 0"
            )

"""The index on disk: one file of arrays that is opened in place, without pickle.

::

    preamble    64 bytes: magic, version, byte order, lengths of header and file, checksum
    header      JSON: facts; and of each section name, dtype, shape, offset, bytes, CRC-32
    sections    the arrays, row-major, each at a multiple of 64 bytes, with zeros between

Opening reads preamble and header only, and *always* checks magic, version, byte order, the length
of the file and the checksum of preamble and header. It does not read the sections, so it takes no
longer for a large file, and so it cannot see a changed byte in them: `verify` reads them all. By
default files up to `VERIFIED_BYTES` are verified when they are opened. A checksum finds accidents,
no forgery.
"""

import json
import math
import os
import secrets
import struct
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.arrays import Array
from harness.errors import MethodError

MAGIC = b"MBINDEX\x1a"  # the last byte ends a text file where such an end is known
VERSION = 1
PREAMBLE = struct.Struct("<8sI4sQQI")  # the header's checksum is the last, over all before it
PREAMBLE_BYTES = ALIGNMENT = 64
ORDER_MARK = 0x01020304
VERIFIED_BYTES = 64_000_000
CHECKED_AT_ONCE = 1 << 22  # bytes
KINDS = "biuf"  # of dtypes: truth values, whole numbers, floats


class IndexFile(NamedTuple):
    """What a file holds: arrays by name, and facts as JSON can say them."""

    arrays: dict[str, Array]
    facts: Any


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
    head, offsets, length = _head_of(whole, facts)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("xb") as file:
            file.write(head)
            for offset, array in zip(offsets, whole.values(), strict=True):
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
    verify : read all sections and compare checksums; None: if the file has at most
        `VERIFIED_BYTES`.
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
            header = _read_header(path, file.read(PREAMBLE_BYTES), file, size)
        mapped = np.memmap(path, np.uint8, mode="c" if copy_on_write else "r")
    except OSError as error:
        raise MethodError(f"{path}: cannot be opened: {error}") from error
    arrays = {one["name"]: _section(path, one, mapped) for one in header["sections"]}
    if size <= VERIFIED_BYTES if verify is None else verify:
        _verify(path, header["sections"], mapped)
    return IndexFile(arrays, header["facts"])


def _head_of(arrays: Mapping[str, Array], facts: Any) -> tuple[bytes, list[int], int]:
    """Return preamble and header, the offsets of the sections, and the length of the file.

    Offsets are counted from the end of the header in the table, so that its length does not depend
    on them.
    """
    sections: list[dict[str, Any]] = []
    offsets, after = [], 0
    for name, array in arrays.items():
        sections.append(
            {
                "name": name,
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "offset": after,
                "bytes": array.nbytes,
                "crc32": zlib.crc32(array.reshape(-1).view(np.uint8).data),
            }
        )
        offsets.append(after)
        after = _aligned(after + array.nbytes)
    header = json.dumps({"facts": facts, "sections": sections}).encode()
    base = _aligned(PREAMBLE_BYTES + len(header))
    mark = ORDER_MARK.to_bytes(4, sys.byteorder)
    fixed = struct.pack("<8sI4sQQ", MAGIC, VERSION, mark, len(header), base + after)
    crc = zlib.crc32(header, zlib.crc32(fixed))
    head = (fixed + struct.pack("<I", crc)).ljust(PREAMBLE_BYTES, b"\0") + header
    return head, [base + offset for offset in offsets], base + after


def _read_header(path: Path, preamble: bytes, file: Any, size: int) -> dict[str, Any]:
    """Return the header, with offsets from the start of the file, once all of it is as it was."""
    if len(preamble) < PREAMBLE_BYTES:
        raise MethodError(f"{path}: has {size} bytes, an index file has {PREAMBLE_BYTES} or more")
    magic, version, mark, header_bytes, length, crc = PREAMBLE.unpack_from(preamble)
    if magic != MAGIC:
        raise MethodError(f"{path}: begins with {magic!r}, an index file with {MAGIC!r}")
    if version != VERSION:
        raise MethodError(f"{path}: has version {version}; this program reads version {VERSION}")
    native = ORDER_MARK.to_bytes(4, sys.byteorder)
    if mark != native:
        raise MethodError(
            f"{path}: has the byte order mark {mark.hex()}, expected {native.hex()}: it was "
            "written on a machine of the other byte order, or altered"
        )
    if length != size:
        raise MethodError(f"{path}: has {size} bytes, expected {length} as its preamble says")
    base = _aligned(PREAMBLE_BYTES + header_bytes)
    header = file.read(min(base, size) - PREAMBLE_BYTES)  # with the zeros that follow it
    zeros = preamble[PREAMBLE.size :] + header[header_bytes:]
    found = zlib.crc32(header[:header_bytes], zlib.crc32(preamble[: PREAMBLE.size - 4]))
    if len(header) != base - PREAMBLE_BYTES or found != crc or any(zeros):
        raise MethodError(
            f"{path}: preamble or header was altered since it was written: their checksum is "
            f"{found:#010x}, expected {crc:#010x} and zeros behind each"
        )
    described: dict[str, Any] = json.loads(header[:header_bytes])
    for section in described["sections"]:
        section["offset"] += base
    return described


def _section(path: Path, section: Mapping[str, Any], mapped: npt.NDArray[np.uint8]) -> Array:
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


def _verify(path: Path, sections: list[dict[str, Any]], mapped: npt.NDArray[np.uint8]) -> None:
    """Compare the checksum of every section, and see that there are zeros between them."""
    for section in sections:
        first, after = section["offset"], section["offset"] + section["bytes"]
        found = 0
        for start in range(first, after, CHECKED_AT_ONCE):
            found = zlib.crc32(mapped[start : min(start + CHECKED_AT_ONCE, after)].data, found)
        if found != section["crc32"]:
            raise MethodError(
                f"{path}: section {section['name']!r} was altered since it was written: its "
                f"checksum is {found:#010x}, expected {section['crc32']:#010x}"
            )
        if mapped[after : _aligned(after)].any():
            raise MethodError(
                f"{path}: holds bytes after section {section['name']!r} that are not 0"
            )


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT

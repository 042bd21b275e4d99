"""Preamble and header of an index file: what stands where, told and read back."""

import json
import struct
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.arrays import Array
from harness.errors import MethodError

MAGIC = b"MBINDEX\x1a"  # the last byte ends a text file where such an end is known
VERSION = 2  # 1 had one checksum a section, so that a large one was not checked at all
PREAMBLE = struct.Struct("<8sI4sQQI")  # the header's checksum is the last, over all before it
PREAMBLE_BYTES = ALIGNMENT = 64
ORDER_MARK = 0x01020304
SUMS = "sums"


def head_of(arrays: Mapping[str, Array], sums: Array, facts: Any) -> tuple[bytes, list[int], int]:
    """Return preamble and header, the offsets of sections and sums, and the length of the file.

    Offsets are counted from the end of the header in the table, so that its length does not depend
    on them.
    """
    sections: list[dict[str, Any]] = []
    offsets, after = [], 0
    for name, array in (*arrays.items(), (SUMS, sums)):
        sections.append(
            {
                "name": name,
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "offset": after,
                "bytes": array.nbytes,
            }
        )
        offsets.append(after)
        after = aligned(after + array.nbytes)
    of_sums = {**sections.pop(), "crc32": zlib.crc32(sums.view(np.uint8).data)}
    header = json.dumps({"facts": facts, "sections": sections, SUMS: of_sums}).encode()
    base = aligned(PREAMBLE_BYTES + len(header))
    mark = ORDER_MARK.to_bytes(4, sys.byteorder)
    fixed = struct.pack("<8sI4sQQ", MAGIC, VERSION, mark, len(header), base + after)
    crc = zlib.crc32(header, zlib.crc32(fixed))
    head = (fixed + struct.pack("<I", crc)).ljust(PREAMBLE_BYTES, b"\0") + header
    return head, [base + offset for offset in offsets], base + after


def read_header(path: Path, preamble: bytes, file: Any, size: int) -> dict[str, Any]:
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
    base = aligned(PREAMBLE_BYTES + header_bytes)
    header = file.read(min(base, size) - PREAMBLE_BYTES)  # with the zeros that follow it
    zeros = preamble[PREAMBLE.size :] + header[header_bytes:]
    found = zlib.crc32(header[:header_bytes], zlib.crc32(preamble[: PREAMBLE.size - 4]))
    if len(header) != base - PREAMBLE_BYTES or found != crc or any(zeros):
        raise MethodError(
            f"{path}: preamble or header was altered since it was written: their checksum is "
            f"{found:#010x}, expected {crc:#010x} and zeros behind each"
        )
    described: dict[str, Any] = json.loads(header[:header_bytes])
    for section in (*described["sections"], described[SUMS]):
        section["offset"] += base
    return described


def aligned(offset: int) -> int:
    """Return the next multiple of `ALIGNMENT`."""
    return -(-offset // ALIGNMENT) * ALIGNMENT

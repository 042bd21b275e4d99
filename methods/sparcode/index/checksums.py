"""Checksums of blocks: what finds an altered byte of a section when it is first read."""

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.arrays import Array
from harness.errors import MethodError

BLOCK_BYTES = 1 << 16  # that have a checksum of their own
Bytes = npt.NDArray[np.uint8]


class Check:
    """Compares the blocks of one section with their checksums, each at most once."""

    def __init__(self, path: Path, name: str, data: Bytes, sums: npt.NDArray[np.uint32]) -> None:
        """Take the bytes of a section, which are not read yet."""
        self._path, self._name, self._data, self._sums = path, name, data, sums
        self._waiting = np.ones(sums.size, np.bool_)

    def verify(self, first: int = 0, after: int | None = None) -> None:
        """Read the blocks that hold bytes [first, after) of the section, None: to its end.

        Raises
        ------
        MethodError
            One was altered; names file, section and block.
        """
        end = self._data.size if after is None else after
        blocks = slice(first // BLOCK_BYTES, -(-end // BLOCK_BYTES))
        for block in (np.flatnonzero(self._waiting[blocks]) + blocks.start).tolist():
            found = zlib.crc32(self._data[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES].data)
            if found != self._sums[block]:
                raise MethodError(
                    f"{self._path}: section {self._name!r} was altered since it was written: the "
                    f"checksum of its block {block} of {BLOCK_BYTES} bytes is {found:#010x}, "
                    f"expected {self._sums[block]:#010x}"
                )
            self._waiting[block] = False


def blocks_of(n_bytes: int) -> int:
    """Return how many blocks so many bytes have."""
    return -(-n_bytes // BLOCK_BYTES)


def sums_of(array: Array) -> npt.NDArray[np.uint32]:
    """Return the checksum of each block."""
    data = array.reshape(-1).view(np.uint8)
    starts = range(0, data.size, BLOCK_BYTES)
    return np.array([zlib.crc32(data[at : at + BLOCK_BYTES].data) for at in starts], np.uint32)

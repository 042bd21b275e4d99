"""Arrays in a folder: how methods save themselves, without pickle.

Each array is one ``.npy`` file, which can be opened in place (memory-mapped); ``index.json`` names
them with shape, dtype, size and checksum, and holds the facts that are no arrays.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import MethodError

SCHEMA = 1
INDEX = "index.json"

Array = npt.NDArray[Any]


def save_arrays(folder: Path, kind: str, arrays: Mapping[str, Array], facts: Any = None) -> None:
    """Write named arrays and facts into an existing folder.

    Parameters
    ----------
    kind : what was saved, such as ``"two_tower"``; `load_arrays` asks for the same.
    arrays : names may hold dots, no slashes; an array of objects is refused by numpy.
    facts : anything that JSON can say.
    """
    entries = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        whole = np.asarray(array, order="C")
        np.save(path, whole, allow_pickle=False)
        entries[name] = {
            "shape": list(whole.shape),
            "dtype": whole.dtype.str,
            "bytes": path.stat().st_size,
            "crc32": zlib.crc32(whole.data),
        }
    index = {"schema": SCHEMA, "kind": kind, "arrays": entries, "facts": facts}
    index["crc32"] = _crc_of_index(index)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def load_arrays(folder: Path, kind: str, *, mapped: bool = False) -> tuple[dict[str, Array], Any]:
    """Return the arrays by name, and the facts.

    Parameters
    ----------
    mapped : open the arrays in place, read-only, instead of reading them into memory; their
        checksums are not looked at, for that would read them.

    Raises
    ------
    MethodError
        Not a folder that `save_arrays` wrote for this kind, a newer schema, or a file that is
        missing, cut, altered, or holds another array than the index says; names the file.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        schema, found, entries = index["schema"], index["kind"], index["arrays"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MethodError(f"{path}: is not the index of a saved method: {error}") from error
    if schema != SCHEMA:
        raise MethodError(f"{path}: has schema {schema!r}; this program reads {SCHEMA}")
    if found != kind:
        raise MethodError(f"{path}: holds {found!r}, expected {kind!r}")
    if index.pop("crc32", None) != _crc_of_index(index):
        raise MethodError(f"{path}: was altered since it was written: its checksum differs")
    arrays = {name: _load(folder / f"{name}.npy", entry, mapped) for name, entry in entries.items()}
    return arrays, index.get("facts")


def _load(path: Path, entry: Mapping[str, Any], mapped: bool) -> Array:
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise MethodError(f"{path}: has {size} bytes, expected {entry['bytes']}")
        # numpy cannot map what is empty
        mode = "r" if mapped and 0 not in entry["shape"] else None
        array: Array = np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
    except (OSError, ValueError, SyntaxError, TokenError) as error:  # numpy parses the header
        raise MethodError(f"{path}: cannot be read: {error}") from error
    if list(array.shape) != entry["shape"] or array.dtype.str != entry["dtype"]:
        given = f"{array.dtype.str} {list(array.shape)}"
        raise MethodError(f"{path}: holds {given}, expected {entry['dtype']} {entry['shape']}")
    if not mapped and zlib.crc32(array.data) != entry["crc32"]:
        raise MethodError(f"{path}: was altered since it was written: its checksum differs")
    return array


def _crc_of_index(index: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(index).encode())

"""Posting lists as one file, see `methods.sparcode.index.index_file`; exact ones or packed."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.errors import MethodError
from methods.sparcode.index.index_file import open_index, write_index
from methods.sparcode.index.packed import PackedPostings
from methods.sparcode.index.postings import Postings

KINDS: dict[str, type[Postings] | type[PackedPostings]] = {
    "postings": Postings,
    "packed_postings": PackedPostings,
}
FILE = "lists.index"  # in the folder that a method saves itself to, beside `harness.arrays`


class ListsFile(NamedTuple):
    """What a file holds: lists, and facts of whoever wrote them."""

    lists: Postings | PackedPostings
    facts: Any


def write_lists(path: Path, lists: Postings | PackedPostings, facts: Any = None) -> None:
    """Write lists; facts are anything that JSON can say."""
    parts = lists._asdict()
    arrays = {name: part for name, part in parts.items() if isinstance(part, np.ndarray)}
    values = {name: part for name, part in parts.items() if name not in arrays}
    kind = next(name for name, of in KINDS.items() if isinstance(lists, of))
    write_index(path, arrays, {"kind": kind, "values": values, "facts": facts})


def open_lists(path: Path, *, verify: bool | None = None, copy_on_write: bool = True) -> ListsFile:
    """Open lists in place; parameters as of `methods.sparcode.index.index_file.open_index`.

    ``copy_on_write`` is the default here because kernels are compiled for arrays that may be
    written to, though none writes to lists.

    Raises
    ------
    MethodError
        The file is refused by `open_index`, or holds no posting lists.
    """
    file = open_index(path, verify=verify, copy_on_write=copy_on_write)
    try:
        kind, values, facts = (file.facts[name] for name in ("kind", "values", "facts"))
        parts: dict[str, Any] = {**file.arrays, **values}
        lists = KINDS[kind](**parts)
    except (KeyError, TypeError) as error:
        raise MethodError(
            f"{path}: holds {sorted(file.arrays)}, expected lists as `write_lists` writes them, of "
            f"a kind among {sorted(KINDS)}: {error!r}"
        ) from error
    starts, size = lists.starts, lists[1].size
    if starts.size == 0 or starts[0] != 0 or starts[-1] != size or (np.diff(starts) < 0).any():
        raise MethodError(f"{path}: starts of lists do not rise from 0 to its {size} postings")
    return ListsFile(lists, facts)


def open_packed(path: Path) -> PackedPostings:
    """Open packed lists in place.

    Raises
    ------
    MethodError
        As `open_lists`; or the lists are exact ones.
    """
    lists = open_lists(path).lists
    if not isinstance(lists, PackedPostings):
        raise MethodError(f"{path}: holds exact lists, expected packed ones")
    return lists

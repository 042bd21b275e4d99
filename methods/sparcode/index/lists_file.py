"""Posting lists as one file, see `methods.sparcode.index.index_file`; exact ones or packed."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.errors import MethodError
from harness.lists import IntArray
from methods.sparcode.index.checksums import Check
from methods.sparcode.index.index_file import IndexFile, open_index, write_index
from methods.sparcode.index.packed import SUM_BITS, PackedPostings, UInt32Array
from methods.sparcode.index.postings import Postings

KINDS: dict[str, type[Postings] | type[PackedPostings]] = {
    "postings": Postings,
    "packed_postings": PackedPostings,
}
ENTRIES = "entries"  # the section that may be large
FILE = "lists.index"  # in the folder that a method saves itself to, beside `harness.arrays`


class ListsFile(NamedTuple):
    """What a file holds: lists, and facts of whoever wrote them."""

    lists: Postings | PackedPostings
    facts: Any


class PackedFile(NamedTuple):
    """Packed lists of a file, and facts of whoever wrote them.

    ``unread`` : what must see the lists before they are read; None where all has been checked.
    """

    lists: PackedPostings
    facts: Any
    unread: "UnreadLists | None"


class UnreadLists:
    """Checks packed lists of a large file when they are first read.

    Whatever was done to the file: no list leaves here whose bytes were altered since they were
    written, or that names a place where no item is. What adds lists up by address relies on it.

    Attributes
    ----------
    fine : bool (n_lists,), the lists that were checked.
    """

    def __init__(self, path: Path, lists: PackedPostings, check: Check) -> None:
        """Take lists that nobody has read."""
        self._path, self._lists, self._check = path, lists, check
        self.fine = np.zeros(lists.lengths.size, np.bool_)

    def verify(self, lists: IntArray | None = None) -> None:
        """Check the given lists, or all; a number that no list has is not looked at.

        Raises
        ------
        MethodError
            One was altered; names the file.
        """
        if lists is None:
            asked = np.flatnonzero(~self.fine)
        else:
            asked = np.unique(lists[(lists >= 0) & (lists < self.fine.size)])
            asked = asked[~self.fine[asked]]
        packed, size = self._lists, self._lists.entries.itemsize
        for one in asked.tolist():
            first, after = int(packed.starts[one]), int(packed.starts[one + 1])
            self._check.verify(first * size, after * size)
            _refuse_places(self._path, packed, packed.entries[first:after])
            self.fine[one] = True


def write_lists(path: Path, lists: Postings | PackedPostings, facts: Any = None) -> None:
    """Write lists; facts are anything that JSON can say."""
    parts = lists._asdict()
    arrays = {name: part for name, part in parts.items() if isinstance(part, np.ndarray)}
    values = {name: part for name, part in parts.items() if name not in arrays}
    kind = next(name for name, of in KINDS.items() if isinstance(lists, of))
    write_index(path, arrays, {"kind": kind, "values": values, "facts": facts})


def open_lists(path: Path) -> ListsFile:
    """Open lists in place, and check all of them, whatever their size.

    Arrays may be written to in memory, because kernels are compiled for such, though none writes to
    lists.

    Raises
    ------
    MethodError
        The file is refused by `open_index`, or holds no posting lists.
    """
    file = open_index(path, verify=True, copy_on_write=True)
    return _lists_of(path, file)


def _lists_of(path: Path, file: IndexFile) -> ListsFile:
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


def open_packed(path: Path) -> PackedFile:
    """Open packed lists in place; of a large file, entries are checked when they are first read.

    Raises
    ------
    MethodError
        As `open_lists`; or the lists are exact ones, or name items that are not there.
    """
    file = open_index(path, copy_on_write=True)
    for name in file.unread.keys() - {ENTRIES}:
        file.unread.pop(name).verify()
    lists, facts = _lists_of(path, file)
    if not isinstance(lists, PackedPostings):
        raise MethodError(f"{path}: holds exact lists, expected packed ones")
    n_items = lists.items.size
    for numbers in (lists.items, lists.places):
        fits = numbers.size == n_items and numbers.min(initial=0) >= 0
        if not fits or numbers.max(initial=0) >= max(1, n_items):
            raise MethodError(f"{path}: items and places are no two orders of {n_items} items")
    if not 1 <= lists.impact_bits <= SUM_BITS:
        raise MethodError(f"{path}: impact_bits = {lists.impact_bits} are not in 1 to {SUM_BITS}")
    if ENTRIES in file.unread:
        return PackedFile(lists, facts, UnreadLists(path, lists, file.unread[ENTRIES]))
    _refuse_places(path, lists, lists.entries)
    return PackedFile(lists, facts, None)


def _refuse_places(path: Path, packed: PackedPostings, entries: UInt32Array) -> None:
    """See that all entries are of items that are there."""
    place = int(entries.max(initial=0)) >> packed.impact_bits  # places are an entry's high bits
    if entries.size and place >= packed.items.size:
        raise MethodError(
            f"{path}: a posting is of place {place}; there are {packed.items.size} items"
        )

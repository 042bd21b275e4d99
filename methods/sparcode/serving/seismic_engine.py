"""Seismic's module: an index built, written and read through files, and nothing printed."""

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import MethodError

FILE: Final = "index"
SMALL_LISTS: Final = 1 << 16  # Seismic numbers lists in 16 bits, or in 32 in a class of its own
Content = npt.NDArray[np.uint8]  # of Seismic's file


def load_seismic() -> Any:
    """Return Seismic's module, or say which extra brings it."""
    try:
        return importlib.import_module("seismic")
    except ImportError as error:
        raise MethodError("seismic is not installed: install the extra `seismic`") from error


@dataclass(frozen=True, slots=True)
class SeismicBlocks:
    """How Seismic parts each list into blocks of similar items, and what it keeps of a block.

    Attributes
    ----------
    centroid_fraction : blocks of a list, as a share of its postings.
    min_cluster_size : items of a block, at least.
    summary_energy : share of the sum of a block's largest scores that its summary keeps.
    doc_cut : codes of an item, those of its largest scores, that tell which items are similar.
    """

    centroid_fraction: float = 0.1
    min_cluster_size: int = 2
    summary_energy: float = 0.4
    doc_cut: int = 15


def build_index(
    words: npt.NDArray[Any], n_lists: int, blocks: SeismicBlocks, *, n_postings: int, longest: int
) -> Any:
    """Return Seismic's index of documents, whose lists stay whole.

    Parameters
    ----------
    words : the documents as Seismic's file has them, see `methods.sparcode.serving.seismic_form`.
    n_lists : lists there may be.
    n_postings : of a list, on average.
    longest : postings of the longest list.
    """
    with _written() as path:
        words.tofile(path)
        return _class_for(n_lists).build(
            str(path),
            n_postings=n_postings,  # a list, on average: all of them
            max_fraction=(longest + 1) / n_postings,  # of that, in one list: the longest whole
            **asdict(blocks),
        )


def content_of(index: Any) -> Content:
    """Return the bytes that Seismic writes."""
    with _written() as path:
        index.save(str(path))
        return np.fromfile(path, np.uint8)


def read_index(content: Content, n_lists: int, named: Path) -> Any:
    """Return the index that Seismic wrote as ``content``.

    Raises
    ------
    MethodError
        Seismic is missing or cannot read it; names the file that it came from.
    """
    with _written() as path:
        content.tofile(path)
        try:
            return _class_for(n_lists).load(str(path))
        except OSError as error:
            raise MethodError(f"{named}: Seismic cannot read it: {error}") from error


def _class_for(n_lists: int) -> Any:
    seismic = load_seismic()
    return seismic.SeismicIndexRaw if n_lists <= SMALL_LISTS else seismic.SeismicIndexRawLV


@contextlib.contextmanager
def _written() -> Iterator[Path]:
    """Yield where a file may be written, for a while; what Seismic prints is thrown away."""
    with tempfile.TemporaryDirectory() as folder, _silence():
        yield Path(folder) / FILE


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send what compiled code prints on standard output nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)

"""The catalogue of data sets: name -> log, checked; and where the files of real ones lie."""

import importlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.data.by_path import BY_PATH
from harness.data.entry import DatasetEntry, Source
from harness.data.files import DataFolder
from harness.data.log import Log
from harness.data.real import REAL
from harness.data.synthetic import SYNTHETIC
from harness.errors import DatasetError, near
from harness.params import parse_params

ROOT_VARIABLE = "MATCHBENCH_DATA"

DATASETS: Mapping[str, DatasetEntry] = MappingProxyType(
    {entry.name: entry for entry in (*SYNTHETIC, *REAL, *BY_PATH)}
)


def find_dataset(name: str) -> DatasetEntry:
    """Return the entry of a name, or raise a DatasetError that offers near ones."""
    if name not in DATASETS:
        raise DatasetError(f"unknown data set {name!r}{near(name, DATASETS)}")
    return DATASETS[name]


def parse_dataset_params(name: str, params: Mapping[str, Any]) -> Any:
    """Return the parameter dataclass of a data set.

    Raises
    ------
    DatasetError
        The data set or a parameter is unknown, or a value makes no sense.
    """
    entry = find_dataset(name)
    try:
        return parse_params(entry.Params, params)
    except ValueError as error:
        raise DatasetError(f"data set {name!r}: {error}") from None


def dataset_id(name: str, params: Mapping[str, Any]) -> str:
    """Return name and all parameters as one word: ``planted_log(n_users=3000,...)``.

    >>> dataset_id("gowalla", {})
    'gowalla'
    """
    values = asdict(parse_dataset_params(name, params))
    listed = ",".join(f"{one}={value}" for one, value in values.items())
    return f"{name}({listed})" if values else name


def load_log(name: str, params: Mapping[str, Any], root: Path | None = None) -> Log:
    """Draw a synthetic log, read the files that a path names, or read a real log and check it.

    Parameters
    ----------
    root : folder of the real data sets; None stands for `data_root`.

    Raises
    ------
    DatasetError
        Unknown name or parameter; files that are missing (it says which, where, and how to get
        them), damaged, or not those of this data set.
    """
    parsed = parse_dataset_params(name, params)
    entry = find_dataset(name)
    if entry.draw is not None:
        return entry.draw(parsed)
    if entry.reader is not None:
        return _read_path(entry, parsed, root)
    log = open_source(entry, root).read(data_folder(entry, root))
    source_of(entry).check(log)
    return log


def _read_path(entry: DatasetEntry, params: Any, root: Path | None) -> Log:
    """Return the log of the files that ``params.path`` names."""
    place = data_root(root) / params.path  # an absolute path stays what it is
    if not place.exists():
        raise DatasetError(
            f"data set {entry.name!r}: {place} does not exist (path = {params.path!r}, relative to "
            f"the data root {data_root(root)})"
        )
    module, _, function = str(entry.reader).partition(":")
    try:
        read = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise DatasetError(
            f"data set {entry.name!r} needs {error.name}: install the extra `exchange`"
        ) from error
    log: Log = read(params, place)
    return log


def open_source(entry: DatasetEntry, root: Path | None) -> Source:
    """Return the source of a real data set whose files are all here.

    Raises
    ------
    DatasetError
        It is synthetic, or a file is missing.
    """
    source, folder = source_of(entry), data_folder(entry, root)
    if not is_present(entry.name, root):
        missing = [name for name in source.files[0] if not folder.has(name)]
        archives = "".join(f" (or {one})" for one in source.archives)
        raise DatasetError(
            f"data set {entry.name!r} is not complete: looked for {', '.join(missing)} "
            f"(plain or .gz){archives} in {folder.path}\n{how_to_get(entry, folder.path)}"
        )
    return source


def source_of(entry: DatasetEntry) -> Source:
    """Return the source of a real data set, or raise a DatasetError for another."""
    if entry.reader is not None:
        raise DatasetError(f"data set {entry.name!r} is files of yours, which its `path` names")
    if entry.source is None:
        raise DatasetError(f"data set {entry.name!r} is synthetic: it is drawn and needs no file")
    return entry.source


def how_to_get(entry: DatasetEntry, folder: Path) -> str:
    """Return what a user can do to have the files of a real data set."""
    source = source_of(entry)
    by_hand = f"get {' and '.join(source.files[0])} from {source.origin}, and put them in {folder}"
    if not source.downloads:
        return by_hand
    return f"run `matchbench data add {entry.name}`, or {by_hand}"


def is_present(name: str, root: Path | None = None) -> bool:
    """Return whether a real data set can be loaded; of another it is not known to be missing."""
    entry = find_dataset(name)
    if entry.source is None:
        return True
    folder = data_folder(entry, root)
    return any(all(folder.has(one) for one in files) for files in entry.source.files)


def data_folder(entry: DatasetEntry, root: Path | None) -> DataFolder:
    """Return where the files of a real data set lie, or would."""
    source = source_of(entry)
    return DataFolder(data_root(root) / source.folder, source.archives)


def data_root(explicit: Path | None = None) -> Path:
    """Return the folder of real data: as told, else $MATCHBENCH_DATA, else the user's cache."""
    if explicit is not None:
        return explicit
    if given := os.environ.get(ROOT_VARIABLE):
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "matchbench"

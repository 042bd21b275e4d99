"""The data of a suite or a trial: loaded, filtered and split, under one name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.catalog import dataset_id, load_log
from harness.data.split_spec import parse_split
from harness.data.splits import ClosedParts, Parts, split_closed, split_log


def load_parts(
    dataset: str, params: Mapping[str, Any], split: Mapping[str, Any], root: Path | None
) -> Parts:
    """Return the parts of a dataset under a split; ``split`` is the table of a suite.

    Raises
    ------
    DatasetError
        The data are missing or damaged, or the split cannot be made of them.
    """
    log = load_log(dataset, params, root)
    return split_log(log, parse_split(split), dataset_id(dataset, params))


def load_closed_parts(
    dataset: str, params: Mapping[str, Any], split: Mapping[str, Any], root: Path | None
) -> ClosedParts:
    """Return training and validation of a dataset; the test part stays closed.

    Raises
    ------
    DatasetError
        As of `load_parts`.
    """
    log = load_log(dataset, params, root)
    return split_closed(log, parse_split(split), dataset_id(dataset, params))

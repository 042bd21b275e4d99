"""The catalogue of data sets: name -> parameters, and how to get a log from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.data.checkerboard import CheckerboardParams, checkerboard
from harness.data.log import Log
from harness.data.planted_clusters import PlantedClustersParams, planted_clusters
from harness.data.planted_crosses import PlantedCrossesParams, planted_crosses
from harness.data.planted_log import PlantedLogParams, planted_log
from harness.errors import DatasetError, near
from harness.params import parse_params


@dataclass(frozen=True, slots=True)
class SyntheticEntry:
    """A log that is drawn, not read.

    Attributes
    ----------
    name, summary : for lists; the docstring of ``draw`` says the known answer.
    Params : frozen dataclass of the generator.
    draw : parameters -> log.
    """

    name: str
    summary: str
    Params: type[Any]
    draw: Callable[[Any], Log]


SYNTHETIC: Mapping[str, SyntheticEntry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            SyntheticEntry(
                "checkerboard",
                "even users pick even items, odd users odd ones",
                CheckerboardParams,
                checkerboard,
            ),
            SyntheticEntry(
                "planted_clusters",
                "users pick from their own cluster: a low-dimensional dot product says it all",
                PlantedClustersParams,
                planted_clusters,
            ),
            SyntheticEntry(
                "planted_crosses",
                "relevance is a sum of products of user and item fields, of high rank",
                PlantedCrossesParams,
                planted_crosses,
            ),
            SyntheticEntry(
                "planted_log",
                "realistic mixture of popularity, clusters, field crosses and noise",
                PlantedLogParams,
                planted_log,
            ),
        )
    }
)


def load_log(name: str, params: Mapping[str, Any], root: Path | None = None) -> Log:
    """Return the log of a data set.

    Raises
    ------
    DatasetError
        Unknown name or parameter.
    """
    if name not in SYNTHETIC:
        raise DatasetError(f"unknown data set {name!r}{near(name, SYNTHETIC)}")
    entry = SYNTHETIC[name]
    try:
        parsed = parse_params(entry.Params, params)
    except ValueError as error:
        raise DatasetError(f"data set {name!r}: {error}") from None
    return entry.draw(parsed)

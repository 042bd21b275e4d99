"""Published figures: numbers of others, shown beside ours and never compared by a test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import RecordError, near

REQUIRED = ("method", "source", "dataset", "metrics")
WORDS = ("method", "source", "dataset", "protocol", "case", "differs", "not_run")
KEYS = (*WORDS, "tolerance", "metrics")
STATUS = "not run here"


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication reports of one method.

    Attributes
    ----------
    source : publication and table.
    dataset : name as in ``matchbench list datasets``, without parameters.
    protocol : how it was measured, as far as it says; empty where it does not.
    metrics : name -> value, in our units: a share, not a percentage.
    case : of a suite, which asks for the same; empty where none does.
    tolerance : difference up to which that case's figure meets this one.
    differs : what the case does otherwise than the publication.
    not_run : why there is no case, or no record of it yet.
    """

    method: str
    source: str
    dataset: str
    metrics: Mapping[str, float]
    protocol: str = ""
    case: str = ""
    tolerance: float = 0.0
    differs: str = ""
    not_run: str = ""


def parse_published(table: Mapping[str, Any], place: str) -> list[Published]:
    """Return the figures of a TOML file: ``[[figure]]`` tables with the keys of `Published`.

    Raises
    ------
    RecordError
        An unknown or missing key, or a value of another kind; names ``place`` and the figure.
    """
    if unknown := [one for one in table if one != "figure"]:
        raise RecordError(f"{place}: unknown key {unknown[0]!r}; expected [[figure]]")
    figures = table.get("figure")
    if not isinstance(figures, list) or not figures:
        raise RecordError(f"{place}: holds no [[figure]]")
    return [_figure(one, f"{place}: figure {n}") for n, one in enumerate(figures, 1)]


def published_rows(
    figures: Sequence[Published], dataset: str, metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row for each metric of ours that a figure of this dataset has.

    Columns: ``case``, ``setting``, ``metric``, ``value``, ``status``, ``reason``, ``warnings``.
    """
    name = dataset.partition("(")[0]
    return [
        {
            "case": one.method,
            "setting": "published",
            "metric": metric,
            "value": one.metrics[metric],
            "status": STATUS,
            "reason": "; ".join(filter(None, (one.source, one.protocol))),
            "warnings": (),
        }
        for one in figures
        if one.dataset == name
        for metric in metrics
        if metric in one.metrics
    ]


def _figure(values: Any, place: str) -> Published:
    if not isinstance(values, dict):
        raise RecordError(f"{place}: expected a table, got {values!r}")
    for name in values:
        if name not in KEYS:
            raise RecordError(f"{place}: unknown key {name!r}{near(name, KEYS)}")
    for name in REQUIRED:
        if name not in values:
            raise RecordError(f"{place}: lacks {name!r}")
    metrics = values["metrics"]
    for name in WORDS:
        value = values.get(name, "-")
        if not isinstance(value, str) or not value:
            raise RecordError(f"{place}: {name} = {value!r} must be text")
    tolerance = values.get("tolerance", 0.0)
    if not _is_share(tolerance):
        raise RecordError(f"{place}: tolerance = {tolerance!r} must be a share, 0 to 1")
    if not isinstance(metrics, dict) or not metrics:
        raise RecordError(f"{place}: metrics = {metrics!r} must be a table such as recall@20 = 0.1")
    for name, value in metrics.items():
        if not _is_share(value):
            raise RecordError(f"{place}: {name} = {value!r} must be a share, 0 to 1")
    return Published(**values)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1

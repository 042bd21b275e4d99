"""Record: one operating point of one trial under one load, or the failure that took its place.

Every field, with its unit, is documented in ``results/README.md``; a test holds the two together.
Nothing is rounded here.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self

from harness.errors import RecordError

SCHEMA = 5
HISTORY_SINCE = 3  # schema
# A warning: the split has select_on = "test", and the method chose by its validation part.
SELECTED_ON_TEST = "EPOCH CHOSEN ON TEST: an upper value, comparable with figures made so alone"


LearnedFrom = Literal["training", "training and validation"]


class Status(StrEnum):
    """How an operating point ended."""

    OK = "ok"
    INVALID = "invalid"  # measured, but not to be trusted; the reason says why
    FAILED = "failed"  # the trial raised an error or its process died
    TIMEOUT = "timeout"  # the trial ran past its time limit
    OUT_OF_MEMORY = "out_of_memory"  # it held more than its limit, or the machine had no more
    SKIPPED = "skipped"  # the machine lacks what the trial needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of ``records.jsonl``. None stands for "not measured"."""

    schema: int = SCHEMA
    trial_id: str
    attempt: str
    n_points: int
    suite: str
    case: str
    method: str
    build: Mapping[str, Any]
    search: Mapping[str, Any]
    load: Mapping[str, Any]
    dataset: str
    data_hash: str
    split: str
    device: str
    threads: int
    fit_threads: int
    learned_from: str | None = None  # a LearnedFrom
    seed: int
    status: str
    reason: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    metrics_version: int | None = None
    metrics_ci: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    n_queries: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    fill_rate: float | None = None
    tied_lists: float | None = None
    metrics_ties: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    profile: str | None = None
    repeat: int = 0
    warnings: tuple[str, ...] = ()
    qps: float | None = None
    n_timed: int | None = None
    n_errors: int | None = None
    latency_p50_s: float | None = None
    latency_p90_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None
    latency_p999_s: float | None = None
    warm_up_s: float | None = None
    cold_first_s: float | None = None
    cold_100_s: float | None = None
    repeated_ratio: float | None = None
    offered_qps: float | None = None
    max_qps: float | None = None
    rate_curve: tuple[Mapping[str, float], ...] = ()
    stages_s: Mapping[str, float] = field(default_factory=dict)
    stages_gap: float | None = None
    fit_s: float | None = None
    refit_s: float | None = None
    build_s: float | None = None
    index_bytes: int | None = None
    peak_host_bytes: int | None = None
    peak_device_bytes: int | None = None
    offline_s: Mapping[str, float] = field(default_factory=dict)
    offline_peak_bytes: Mapping[str, int] = field(default_factory=dict)
    memory: Mapping[str, float | None] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Sequence[Mapping[str, float | None]]] = field(default_factory=dict)
    taken_over_s: Mapping[str, float] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    fitted_by: str | None = None
    per_query: str | None = None
    started_at: str
    machine: Mapping[str, Any]
    isolation: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str]
    commit: str
    code_hash: str
    replay: str

    def to_json(self) -> str:
        """Return the record as one line; NaN and infinities are refused, as JSON has none."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read one line.

        Raises
        ------
        RecordError
            No JSON object, a schema newer than this program's, a missing or an unknown field.
        """
        try:
            values = json.loads(line)
        except ValueError as error:
            raise RecordError(f"is not JSON ({error})") from error
        if not isinstance(values, dict):
            raise RecordError(f"is not a JSON object but {type(values).__name__}")
        schema = values.get("schema")
        if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
            raise RecordError(f"has schema {schema!r}; this program reads 1 to {SCHEMA}")
        known = {one.name for one in dataclasses.fields(cls)}
        if extra := values.keys() - known:
            raise RecordError(f"has unknown fields {sorted(extra)}")
        required = {one.name for one in dataclasses.fields(cls) if _is_required(one)}
        if missing := required - values.keys():
            raise RecordError(f"lacks the fields {sorted(missing)}")
        wrong = [name for name, kind in _KINDS.items() if not isinstance(values.get(name), kind)]
        if wrong := [name for name in wrong if name in values]:
            raise RecordError(f"has fields of another type than a record's: {sorted(wrong)}")
        try:
            values["metrics_ci"] = {
                name: (low, high) for name, (low, high) in values.get("metrics_ci", {}).items()
            }
        except (TypeError, ValueError) as error:
            raise RecordError(f"has metrics_ci that are no pairs: {error}") from error
        values["metrics_ties"] = {
            name: tuple(bounds) for name, bounds in values.get("metrics_ties", {}).items()
        }
        values.setdefault("learned_from", _learned_from(values))
        for name in ("warnings", "rate_curve"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


def _learned_from(values: Mapping[str, Any]) -> LearnedFrom | None:
    """Return what a record of a schema before 5 learned from, None where it does not tell."""
    if values.get("refit_s") is not None or "select_on=test" in values["split"]:
        return "training and validation"
    told = values.get("history", {}).get("fit", ())
    if any("validation" in epoch for epoch in told):
        return "training"
    knows = values["schema"] >= HISTORY_SINCE and values["status"] == Status.OK
    return "training and validation" if knows else None


def _json_kinds() -> dict[str, tuple[type, ...]]:
    """Return the JSON types that each field may have, by name."""
    plain = {int: (int,), float: (int, float), str: (str,), type(None): (type(None),)}
    kinds: dict[str, tuple[type, ...]] = {}
    for name, hint in typing.get_type_hints(Record).items():
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds[name] = tuple(kind for one in options for kind in plain.get(one, (_shape(one),)))
    return kinds


def _shape(hint: Any) -> type:
    return list if typing.get_origin(hint) is tuple else dict


def _is_required(one: "dataclasses.Field[Any]") -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING


def latest_attempts(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return for each trial the records of its newest attempt, trials in order of appearance.

    Records are never edited. A trial that runs again (its process was killed, the code changed, or
    it was asked for) leaves new records under a new attempt, and the old ones no longer stand.
    """
    newest: dict[str, list[Record]] = {}
    for record in records:
        standing = newest.setdefault(record.trial_id, [])
        if standing and standing[0].attempt != record.attempt:
            standing.clear()
        standing.append(record)
    return newest


def field_types() -> Mapping[str, Any]:
    """Return the type of every field by name, in the order of the record."""
    hints = typing.get_type_hints(Record)
    return {one.name: hints[one.name] for one in dataclasses.fields(Record)}


_KINDS = _json_kinds()

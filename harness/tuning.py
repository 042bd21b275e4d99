"""TuningTrial: one trial of `matchbench tune`, as a line of ``tuning.jsonl``; and what was chosen.

Every field is documented in ``results/README.md``.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from harness.errors import RecordError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningTrial:
    """One setting that was tried, and what it came to on the validation part."""

    schema: int = SCHEMA
    study: str
    number: int
    suite: str
    case: str
    method: str
    values: Mapping[str, Any]
    build: Mapping[str, Any]
    status: str
    reason: str | None = None
    metric: str
    value: float | None = None
    search: Mapping[str, Any] = field(default_factory=dict)
    n_queries: int | None = None
    seconds: float
    fit_s: float | None = None
    build_s: float | None = None
    space: Mapping[str, Any]
    sampler: str
    seed: int
    device: str
    data_hash: str
    code_hash: str
    commit: str
    started_at: str

    def to_json(self) -> str:
        """Return the trial as one line."""
        values = dataclasses.asdict(self)
        return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read one line.

        Raises
        ------
        RecordError
            No such line: of a newer schema, or with missing or unknown fields.
        """
        try:
            values = json.loads(line)
            schema = values["schema"]
        except (ValueError, TypeError, KeyError) as error:
            raise RecordError(f"is no trial of a tuning ({error!r})") from error
        if schema != SCHEMA:
            raise RecordError(f"has schema {schema!r}; this program reads {SCHEMA}")
        try:
            return cls(**values)
        except TypeError as error:
            raise RecordError(f"is no trial of a tuning: {error}") from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tuning of one case came to.

    Attributes
    ----------
    case : its name.
    budget : trials that every case was given.
    trials : those that stand, the default configuration first; fewer where the space ended.
    reason : why there are fewer than the budget; None where there are not.
    """

    case: str
    budget: int
    trials: Sequence[TuningTrial]
    reason: str | None = None

    @property
    def n_failed(self) -> int:
        """Return how many trials came to no value."""
        return sum(one.value is None for one in self.trials)

    @property
    def best(self) -> TuningTrial | None:
        """Return the trial of the highest value, the first of equals; None where all failed."""
        scored = [one for one in self.trials if one.value is not None]
        return max(scored, key=lambda one: (one.value or 0.0, -one.number)) if scored else None

    @property
    def default(self) -> TuningTrial | None:
        """Return the trial of the suite's own values."""
        return self.trials[0] if self.trials else None

"""NoiseFloor: how far two measurements of the same work lie apart, as ``noise.json`` holds it."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from harness.errors import RecordError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The spread of one quantity over A/A pairs; `harness.compare.noise.aa_spread` makes it.

    Attributes
    ----------
    n_pairs : pairs (a, b) of measurements of the same work.
    sigma : root mean square of log(b / a), which estimates sigma_AA; 0.03 is about 3 %.
    low, high : bounds of sigma_AA, 95 %, from the chi-square distribution.
    median_ratio, min_ratio, max_ratio : of b / a; a median away from 1 shows a drift.
    """

    n_pairs: int
    sigma: float
    low: float
    high: float
    median_ratio: float
    min_ratio: float
    max_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PointNoise:
    """The noise of one operating point under one load.

    Attributes
    ----------
    case ... profile : what was measured, named as in a record.
    n_pairs : whole pairs, both halves valid.
    n_busy : halves of these pairs that were measured while others kept the machine busy: their
        spread is that of the disturbance.
    spreads : field of the record (``qps``, ``latency_p50_s`` ...) -> Spread; a field that was not
        measured in two pairs or more is left out.
    faults : why measurements are missing, each reason once.
    """

    case: str
    method: str
    build: Mapping[str, Any]
    search: Mapping[str, Any]
    load: Mapping[str, Any]
    data_hash: str
    device: str
    threads: int
    fit_threads: int
    profile: str | None
    n_pairs: int
    n_busy: int
    spreads: Mapping[str, Spread]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """The noise of a suite's operating points on one machine, with one code and environment.

    Attributes
    ----------
    n_pairs : pairs that were asked for.
    measured_at : UTC time at which the last measurement began.
    machine, environment, commit, code_hash : as in a record; what must be the same to compare.
    """

    schema: int = SCHEMA
    suite: str
    n_pairs: int
    measured_at: str
    machine: Mapping[str, Any]
    environment: Mapping[str, str]
    commit: str
    code_hash: str
    points: tuple[PointNoise, ...]

    def to_json(self) -> str:
        """Return the floor as JSON text, nothing rounded."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        RecordError
            No JSON object, another schema, a missing or an unknown field.
        """
        try:
            values = json.loads(text)
            schema = values["schema"]
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"is no noise floor ({error!r})") from error
        if schema != SCHEMA:
            raise RecordError(f"has schema {schema!r}; this program reads {SCHEMA}")
        try:
            values["points"] = tuple(_point(one) for one in values["points"])
            for name in ("machine", "environment"):
                if not isinstance(values[name], dict):
                    raise TypeError(f"{name} is {values[name]!r}, no object")
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"is no noise floor of schema {SCHEMA} ({error!r})") from error


def _point(values: dict[str, Any]) -> PointNoise:
    spreads = {name: _spread(one) for name, one in values["spreads"].items()}
    return PointNoise(**{**values, "spreads": spreads, "faults": tuple(values["faults"])})


def _spread(values: dict[str, Any]) -> Spread:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}, no number")
    return Spread(**values)

"""TrialSpec: everything that defines one trial, as plain values that travel as JSON."""

import dataclasses
import glob
import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

Table = Mapping[str, Any]
LIMITS = ("time_limit_s", "memory_limit_bytes")  # they end a trial and do not change its work
Part = Literal["test", "validation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """One trial: a method fitted and built once, then every search setting under every load.

    All parameters are resolved: what a suite left out stands here with its default. For the command
    that runs the trial again stand ``scaled_to``, the size that `matchbench scale` set (which is in
    ``dataset_params`` too), and ``pairs``, the number of A/A pairs of `matchbench noise`.

    ``part`` is what the trial asks: ``test``, or ``validation`` of a trial of `matchbench tune`,
    which neither refits nor opens the test part. ``tuning`` is what chose the build parameters, as
    records carry it; empty where nothing did.
    """

    suite: str
    suite_file: str
    case: str
    method: str
    build: Table
    searches: tuple[Table, ...]
    loads: tuple[Table, ...]
    dataset: str
    dataset_params: Table
    split: Table
    metrics: tuple[str, ...]
    k: int
    device: str
    threads: int
    fit_threads: int
    refit: bool
    seed: int
    profile: str
    repeat: int
    time_limit_s: float
    memory_limit_bytes: int | None
    scaled_to: int | None = None
    pairs: int | None = None
    part: Part = "test"
    tuning: Table = field(default_factory=dict)

    @property
    def trial_id(self) -> str:
        """Return a stable id: equal for equal work, whatever the suite, the case or the limits."""
        return digest(self.work())

    def work(self) -> dict[str, Any]:
        """Return all that decides what the trial does, by name."""
        values = self.to_dict()
        for name in ("suite", "suite_file", "case", "scaled_to", "pairs", "tuning", *LIMITS):
            del values[name]
        if self.part == "test":  # as it was before there was another
            del values["part"]
        return values

    @property
    def n_points(self) -> int:
        """Return the number of records the trial leaves when all goes well."""
        return len(self.searches) * len(self.loads)

    @property
    def limits(self) -> dict[str, Any]:
        """Return the limits by name, as records hold them."""
        return {name: getattr(self, name) for name in LIMITS}

    def replay(self, folder: Path, data_root: Path | None) -> str:
        """Return the command that runs this trial, and others of its case, again.

        Parameters
        ----------
        folder : of the results; the empty path is not named.
        data_root : where the data lie, or None for the default.
        """
        out = folder if self.pairs is None else folder.parent
        words = ["matchbench", *self._command(), "--methods", glob.escape(self.case)]
        words += ["--device", self.device, "--seed", str(self.seed), "--profile", self.profile]
        words += [] if out == Path() else ["--out", str(out)]
        words += [] if data_root is None else ["--data-root", str(data_root)]
        return shlex.join([*words, "--force"])

    def _command(self) -> list[str]:
        if self.pairs is not None:
            return ["noise", self.suite_file, "--pairs", str(self.pairs)]
        if self.scaled_to is None:
            return ["run", self.suite_file]
        words = ["scale", self.suite_file, "--sizes", str(self.scaled_to)]
        words += ["--limit-s", str(self.time_limit_s)]
        if self.memory_limit_bytes is not None:
            words += ["--memory-limit-mb", str(self.memory_limit_bytes / 1e6)]
        return words

    def to_dict(self) -> dict[str, Any]:
        """Return all values by name."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}

    def to_json(self) -> str:
        """Return the spec as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        for name in ("searches", "loads", "metrics"):
            values[name] = tuple(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one attempt at a trial leaves things, and where it finds the data.

    ``attempt`` is new for each start of a trial; ``data_root`` None stands for the default.
    """

    attempt: str
    folder: Path
    data_root: Path | None


def digest(values: Any) -> str:
    """Return 16 hex digits that depend on the values alone, not on the order of keys."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]

"""Records as a history of asv (results of version 2), which takes larger values for worse.

So a share becomes what is missing to 1, a rate the seconds of a query; seconds and bytes stay.
``asv publish`` and ``asv show`` read the folder as ``results_dir``.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ExchangeError
from harness.exchange.measures import Measure
from harness.record import Record

RESULTS_VERSION, BENCHMARKS_VERSION, MACHINE_VERSION = 2, 2, 1
COLUMNS = (
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b",
    "stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples", "profile",
)  # fmt: skip
CommitTime = Callable[[str], int | None]  # full hash -> seconds, None where it is not known


@dataclass(frozen=True, slots=True)
class Folder:
    """Where results of one revision on one machine go, in the words of asv."""

    machine: str
    commit: str
    environment: str


def write_asv(path: Path, measures: Sequence[Measure], commit_time: CommitTime) -> list[Path]:
    """Write ``benchmarks.json``, and of each machine ``machine.json`` and a file per revision.

    Benchmarks that the folder holds already are kept, and so are their results of the same
    revision, machine and Python; a benchmark that is written again replaces its own.

    Parameters
    ----------
    commit_time : when a revision was made; where it says None the records' own time stands in.

    Raises
    ------
    ExchangeError
        A record without a git revision, or of uncommitted code, which no revision holds: asv orders
        by revisions. A file of the folder is not what asv or this writes.
    """
    grouped: dict[Folder, dict[str, list[Measure]]] = {}
    for measure in measures:
        named = grouped.setdefault(_folder_of(measure.records[0]), {})
        named.setdefault(benchmark_name(measure), []).append(measure)
    path.mkdir(parents=True, exist_ok=True)
    written = [_merge_benchmarks(path / "benchmarks.json", measures)]
    for folder, named in grouped.items():
        record = next(iter(named.values()))[0].records[0]
        machine = path / folder.machine
        machine.mkdir(exist_ok=True)
        _write(machine / "machine.json", {**_machine(record, folder), "version": MACHINE_VERSION})
        results = machine / f"{folder.commit[:8]}-{folder.environment}.json"
        _write(results, _merged(results, _results(folder, named, record, commit_time)))
        written += [machine / "machine.json", results]
    return written


def benchmark_name(measure: Measure) -> str:
    """Return the name of asv's benchmark: suite, then what is followed."""
    followed = {"qps": "query_s", "max_qps": "query_s_at_max_rate"}.get(measure.name, measure.name)
    if measure.direction == "higher" and measure.name not in ("qps", "max_qps"):
        followed = f"missed_{followed}"
    suite = re.sub(r"\W", "_", measure.records[0].suite)
    return f"records.{suite}.track_{re.sub(r'[^A-Za-z0-9_]', '_', followed)}"


def larger_is_worse(measure: Measure) -> tuple[list[float], str]:
    """Return the values of a measure turned so that larger is worse, and their unit."""
    if measure.direction == "lower":
        return measure.values, measure.unit
    if measure.unit == "queries/s":
        return [1 / one if one else float("inf") for one in measure.values], "seconds"
    return [1 - one for one in measure.values], measure.unit


def _folder_of(record: Record) -> Folder:
    commit = record.commit
    if re.fullmatch(r"[0-9a-f]{7,40}", commit) is None:
        raise ExchangeError(
            f"case {record.case!r}, trial {record.trial_id}: commit = {record.commit!r}, expected "
            "a git revision, by which asv orders results"
        )
    facts = json.dumps(dict(record.machine), sort_keys=True)
    known = hashlib.sha256(facts.encode()).hexdigest()[:8]
    cpu = re.sub(r"\W+", "-", str(record.machine.get("cpu", "machine"))).strip("-")[:40]
    return Folder(f"{cpu}-{known}", commit, f"existing-py{record.environment.get('python', '')}")


def _machine(record: Record, folder: Folder) -> dict[str, Any]:
    facts = record.machine
    return {
        "machine": folder.machine,
        "os": str(facts.get("system", "")),
        "arch": str(facts.get("arch", "")),
        "cpu": str(facts.get("cpu", "")),
        "num_cpu": str(facts.get("logical_cpus", "")),
        "ram": str(facts.get("memory_bytes", "")),
    }


def _results(
    folder: Folder, named: Mapping[str, Sequence[Measure]], record: Record, when: CommitTime
) -> dict[str, Any]:
    made_s = when(folder.commit)
    python = ".".join(str(record.environment.get("python", "")).split(".")[:2])
    return {
        "commit_hash": folder.commit,
        "env_name": folder.environment,
        "date": (_started_s(record) if made_s is None else made_s) * 1000,
        "params": {**_machine(record, folder), "python": python},
        "python": python,
        "requirements": {},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": {name: _row(name, group) for name, group in named.items()},
        "durations": {},
        "version": RESULTS_VERSION,
    }


def _merged(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    """Return results beside those that their file holds already, of other benchmarks."""
    known = _known(path, RESULTS_VERSION)
    if known and known.get("result_columns") != table["result_columns"]:
        raise ExchangeError(f"{path}: holds other columns than {', '.join(COLUMNS)}")
    return {**table, "results": {**known.get("results", {}), **table["results"]}}


def _row(name: str, measures: Sequence[Measure]) -> list[Any]:
    """Return the columns of one benchmark, one entry a point in each."""
    turned = [larger_is_worse(one)[0] for one in measures]
    many = any(len(values) > 1 for values in turned)
    return [
        [_finite(float(np.median(values))) for values in turned],
        [[repr(one.point) for one in measures]],
        _version_of(name),
        max(_started_s(record) for one in measures for record in one.records) * 1000,
        None,
        None,
        None,
        *(
            [[float(np.quantile(values, share)) for values in turned] for share in (0.25, 0.75)]
            if many
            else [None, None]
        ),
        [1 for _ in turned] if many else None,
        [len(values) for values in turned] if many else None,
        [list(values) for values in turned] if many else None,
    ]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None  # null is how asv says that it failed


def _merge_benchmarks(path: Path, measures: Sequence[Measure]) -> Path:
    """Describe the benchmarks, beside those that the file holds; points are added to its own."""
    known = {"version": BENCHMARKS_VERSION, **_known(path, BENCHMARKS_VERSION)}
    for measure in measures:
        name = benchmark_name(measure)
        entry = known.setdefault(name, _description(name, measure))
        points = entry["params"][0]
        if repr(measure.point) not in points:
            points.append(repr(measure.point))
    _write(path, known)
    return path


def _known(path: Path, version: int) -> dict[str, Any]:
    """Return what a file of the folder holds, {} where there is none."""
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExchangeError(f"{path}: is not JSON: {error}") from error
    if found.get("version") != version:
        given = f"found version {found.get('version')!r}, expected {version}"
        raise ExchangeError(f"{path}: {given}")
    return found


def _description(name: str, measure: Measure) -> dict[str, Any]:
    return {
        "name": name,
        "code": f"# {measure.name} of the records of suite {measure.records[0].suite}",
        "param_names": ["point"],
        "params": [[]],
        "type": "track",
        "unit": larger_is_worse(measure)[1],
        "timeout": 60,
        "version": _version_of(name),
    }


def _version_of(name: str) -> str:
    return hashlib.sha256(f"matchbench asv 1|{name}".encode()).hexdigest()


def _started_s(record: Record) -> int:
    return int(datetime.fromisoformat(record.started_at).timestamp())


def _write(path: Path, table: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")

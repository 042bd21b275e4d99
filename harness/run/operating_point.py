"""One operating point: what a built retriever returns under one search setting, and how fast."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data.catalog import dataset_id
from harness.data.splits import Parts
from harness.interactions import HeldOut, Queries
from harness.lists import IntArray
from harness.measure.clock import Clock
from harness.measure.device import describe_device
from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.machine import code_hash, commit, describe_environment, describe_machine
from harness.measure.memory import peak_device_bytes, peak_host_bytes
from harness.measure.mix import choose_rows, spare_rows
from harness.measure.profile import PROFILES, Profile
from harness.measure.timing import Conditions, Timing
from harness.measure.validity import Facts, reasons_against, warnings_of
from harness.params import parse_params
from harness.record import Record, Status
from harness.retriever import Capability, Retriever
from harness.run.first_look import FirstLook
from harness.run.quality import answer_all, assess
from harness.run.timed_answers import TimedAnswers
from harness.run.trial_spec import Place, Table, TrialSpec, digest
from harness.seeding import derive_seed, generator
from harness.stats import percentile_or_none
from harness.topk import TopK

PERCENTILES: Mapping[str, float] = MappingProxyType(
    {
        "latency_p50_s": 50,
        "latency_p90_s": 90,
        "latency_p95_s": 95,
        "latency_p99_s": 99,
        "latency_p999_s": 99.9,
    }
)


@dataclass(frozen=True, slots=True)
class Offline:
    """What fitting and building took, in seconds; refit_s is None where nothing was refitted."""

    fit_s: float
    refit_s: float | None
    build_s: float


def measure_point(
    spec: TrialSpec,
    search: Table,
    retriever: Retriever,
    parts: Parts,
    offline: Offline,
    place: Place,
    clock: Clock,
    look: FirstLook,
) -> list[Record]:
    """Measure the retriever as it is set and return a record per load.

    All test queries are answered once, untimed, and scored. Each load then sends its sample; what
    it returns while timed must be what was scored, or its record is INVALID. ``look`` was taken
    before, while the method was cold.
    """
    started_at = datetime.now(UTC).isoformat()
    n_items = parts.full_train.n_items
    before = _counters(retriever)
    answers = answer_all(retriever, parts.test.queries, spec.k)
    counters = {name: count - before[name] for name, count in _counters(retriever).items()}
    peaks: dict[str, Any] = {
        # before the harness scores exhaustively
        "peak_host_bytes": max(look.peak_host_bytes, peak_host_bytes()),
        "peak_device_bytes": peak_device_bytes(spec.device),
    }
    quality = assess(spec, retriever, parts.test, n_items, answers)
    point_id = digest([spec.trial_id, search])
    arrays: dict[str, npt.NDArray[Any]] = {
        f"metrics/{name}": values for name, values in quality.per_query.items()
    }
    records = []
    for number, table in enumerate(spec.loads):
        load: LoadSpec = parse_params(LoadSpec, table)
        rows, conditions = _conditions(spec, number, load, parts.test.queries)
        check = TimedAnswers(TopK(answers.ids[rows], answers.scores[rows]), n_items)
        conditions = dataclasses.replace(conditions, check=check)
        sent = parts.test.queries.take(rows)
        timing = run_load(load, retriever.search, sent, spec.k, clock, conditions)
        facts = Facts(
            timing=timing,
            profile=conditions.profile,
            list_faults=quality.faults,
            n_checked=check.n_checked,
            n_differ=check.n_differ,
            timed_faults=check.faults,
            repeated_ratio=look.worst_ratio,
            n_early_errors=look.n_errors,
            early_error=look.first_error,
            step_s=clock.step_s(),
        )
        reasons = reasons_against(facts)
        arrays.update(_raw_times(timing, rows, number))
        records.append(
            Record(
                trial_id=spec.trial_id,
                attempt=place.attempt,
                n_points=spec.n_points,
                suite=spec.suite,
                case=spec.case,
                method=spec.method,
                build=spec.build,
                search=search,
                load=table,
                dataset=dataset_id(spec.dataset, spec.dataset_params),
                data_hash=parts.data_hash,
                split=parts.protocol,
                device=spec.device,
                threads=spec.threads,
                fit_threads=spec.fit_threads,
                seed=spec.seed,
                status=Status.INVALID if reasons else Status.OK,
                reason="; ".join(reasons) or None,
                metrics=quality.means,
                metrics_ci=quality.intervals,
                n_queries=len(answers),
                dropped=parts.dropped,
                fill_rate=quality.fill_rate,
                tied_lists=quality.tied_lists,
                counters=counters,
                profile=spec.profile,
                repeat=spec.repeat,
                warnings=tuple(warnings_of(facts)),
                cold_first_s=None if look.cold is None else look.cold.first_s,
                cold_100_s=None if look.cold is None else look.cold.first_100_s,
                repeated_ratio=look.repeats.ratio,
                per_query=f"per_query/{point_id}.npz",
                started_at=started_at,
                machine={**describe_machine(), **describe_device(spec.device)},
                environment=describe_environment(),
                commit=commit(),
                code_hash=code_hash(),
                replay=spec.replay,
                **_timing_fields(timing, conditions.profile),
                **peaks,
                **_offline_fields(retriever, offline),
            )
        )
    _write_arrays(place.folder / "per_query" / f"{point_id}.npz", answers, parts.test, arrays)
    return records


def _conditions(
    spec: TrialSpec, number: int, load: LoadSpec, queries: Queries
) -> tuple[IntArray, Conditions]:
    """Return the test queries that a load sends, rows int64, and what it is measured under."""
    purpose = f"load/{number}"
    random = generator(spec.seed, purpose)
    rows = choose_rows(load, queries.history.lengths, random)
    return rows, Conditions(
        profile=PROFILES[spec.profile],
        seed=derive_seed(spec.seed, f"{purpose}/order"),
        spare=queries.take(spare_rows(len(queries), rows, random)),
    )


def _raw_times(timing: Timing, rows: IntArray, number: int) -> dict[str, npt.NDArray[Any]]:
    """Return what was read from the clock, by its name in the file of per-query values."""
    times = {
        "latency_s": timing.latencies_s,
        "call_s": timing.calls_s,
        "arrival_s": timing.arrivals_s,
    }
    found: dict[str, npt.NDArray[Any]] = {
        f"{name}/{number}": values for name, values in times.items() if values is not None
    }
    if found:
        found[f"latency_rows/{number}"] = rows[timing.rows].astype(np.int32)
    return found


def _counters(retriever: Retriever) -> Mapping[str, int]:
    if Capability.COUNTERS not in retriever.capabilities:
        return {}
    return dict(retriever.counters())


def _timing_fields(timing: Timing, profile: Profile) -> dict[str, Any]:
    latencies = timing.latencies_s
    percentiles = {
        name: percentile_or_none(latencies, percent)
        for name, percent in PERCENTILES.items()
        if latencies is not None and percent <= profile.top_percentile
    }
    return {
        "qps": timing.qps,
        "n_timed": timing.n_timed,
        "n_errors": timing.n_errors,
        "warm_up_s": timing.warm_up_s,
        "offered_qps": timing.offered_qps,
        "max_qps": timing.max_qps,
        "rate_curve": timing.rate_curve,
        **percentiles,
    }


def _offline_fields(retriever: Retriever, offline: Offline) -> dict[str, Any]:
    footprint = retriever.footprint()
    return {
        "fit_s": offline.fit_s,
        "refit_s": offline.refit_s,
        "build_s": offline.build_s,
        "index_bytes": footprint.index_bytes,
        "details": {name: float(value) for name, value in footprint.details.items()},
    }


def _write_arrays(
    path: Path, answers: TopK, test: HeldOut, arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write answers and per-query values so that a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        ids=answers.ids.astype(np.int32),
        scores=answers.scores,
        user_ids=test.queries.user_ids,
        **arrays,  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    )
    partial.replace(path)

"""One operating point: what a built retriever returns under one search setting, and how fast."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data.catalog import dataset_id
from harness.data.splits import Parts
from harness.interactions import HeldOut
from harness.lists import IntArray
from harness.measure.agreement import differing_rows
from harness.measure.clock import Clock
from harness.measure.device import describe_device
from harness.measure.load import LoadSpec, Timing, run_load
from harness.measure.machine import code_hash, commit, describe_environment, describe_machine
from harness.measure.memory import peak_device_bytes, peak_host_bytes
from harness.params import parse_params
from harness.record import Record, Status
from harness.retriever import Capability, Retriever
from harness.run.offline import Offline, offline_fields
from harness.run.quality import answer_all, assess, sample_rows
from harness.run.stage_pass import stage_fields
from harness.run.trial_spec import Place, Table, TrialSpec, digest
from harness.seeding import generator
from harness.stats import percentile_or_none
from harness.topk import TopK


def measure_point(
    spec: TrialSpec,
    search: Table,
    retriever: Retriever,
    parts: Parts,
    offline: Offline,
    place: Place,
    clock: Clock,
) -> list[Record]:
    """Measure the retriever as it is set and return a record per load.

    All test queries are answered once, untimed, and scored. Each load then sends its sample; what
    it returns while timed must be what was scored, or its record is INVALID.
    """
    started_at = datetime.now(UTC).isoformat()
    before = _counters(retriever)
    answers = answer_all(retriever, parts.test.queries, spec.k)
    counters = {name: count - before[name] for name, count in _counters(retriever).items()}
    peaks: dict[str, Any] = {
        "peak_host_bytes": peak_host_bytes(),  # before the harness scores exhaustively
        "peak_device_bytes": peak_device_bytes(spec.device),
    }
    quality = assess(spec, retriever, parts.test, parts.full_train.n_items, answers)
    point_id = digest([spec.trial_id, search])
    arrays: dict[str, npt.NDArray[Any]] = {
        f"metrics/{name}": values for name, values in quality.per_query.items()
    }
    records = []
    for number, table in enumerate(spec.loads):
        load: LoadSpec = parse_params(LoadSpec, table)
        rows = sample_rows(len(answers), load.queries, generator(spec.seed, f"load/{number}"))
        timing = run_load(load, retriever.search, parts.test.queries.take(rows), spec.k, clock)
        stages: dict[str, Any] = {}
        stage_warnings: tuple[str, ...] = ()
        if number == 0:
            batch = load.batch if load.kind == "offline" else 1
            stages, stage_warnings = stage_fields(
                retriever, parts.test.queries.take(rows), spec.k, clock, batch
            )
        reasons = [*quality.faults, *_timed_faults(answers, timing.answers, rows)]
        if timing.latencies_s is not None:
            arrays[f"latency_s/{number}"] = timing.latencies_s
            arrays[f"latency_rows/{number}"] = rows
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
                warnings=(*offline.warnings, *stage_warnings),
                metrics=quality.means,
                metrics_ci=quality.intervals,
                n_queries=len(answers),
                dropped=parts.dropped,
                fill_rate=quality.fill_rate,
                tied_lists=quality.tied_lists,
                counters=counters,
                per_query=f"per_query/{point_id}.npz",
                started_at=started_at,
                machine={**describe_machine(), **describe_device(spec.device)},
                environment=describe_environment(),
                commit=commit(),
                code_hash=code_hash(),
                replay=spec.replay,
                **_timing_fields(timing),
                **peaks,
                **stages,
                **offline_fields(retriever, offline),
            )
        )
    _write_arrays(place.folder / "per_query" / f"{point_id}.npz", answers, parts.test, arrays)
    return records


def _timed_faults(answers: TopK, timed: TopK, rows: IntArray) -> list[str]:
    scored = TopK(answers.ids[rows], answers.scores[rows])
    n_differ = int(differing_rows(scored, timed).sum())
    return [f"{n_differ} of {len(timed)} timed answers differ from the scored"] if n_differ else []


def _counters(retriever: Retriever) -> Mapping[str, int]:
    if Capability.COUNTERS not in retriever.capabilities:
        return {}
    return dict(retriever.counters())


def _timing_fields(timing: Timing) -> dict[str, Any]:
    latencies = timing.latencies_s
    percentiles = {
        f"latency_p{percent}_s": None
        if latencies is None
        else percentile_or_none(latencies, percent)
        for percent in (50, 95, 99)
    }
    return {
        "qps": timing.qps,
        "n_timed": len(timing.answers),
        "warm_up_s": timing.warm_up_s,
        **percentiles,
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

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
from harness.measure.clock import Clock
from harness.measure.device import describe_device
from harness.measure.machine import commit, describe_environment, describe_machine
from harness.measure.memory import PhasePeak, forget_device_peak, peak_device_bytes
from harness.measure.workplace import Workplace
from harness.metrics.metric import VERSION
from harness.record import Record
from harness.retriever import Capability, Retriever
from harness.run.code import code_of
from harness.run.first_look import FirstLook
from harness.run.learning import learned_from
from harness.run.load_pass import Setting, measure_load
from harness.run.offline import Offline, offline_fields
from harness.run.quality import Quality, answer_all, assess
from harness.run.trial_spec import Place, Table, TrialSpec, digest
from harness.topk import TopK


def measure_point(
    spec: TrialSpec,
    search: Table,
    retriever: Retriever,
    parts: Parts,
    offline: Offline,
    place: Place,
    clock: Clock,
    workplace: Workplace,
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
    forget_device_peak(spec.device)
    peak = PhasePeak()
    answers = answer_all(retriever, parts.test.queries, spec.k)
    peaks = _peaks(spec, offline, peak.stop())  # before the harness scores exhaustively
    counters = {name: count - before[name] for name, count in _counters(retriever).items()}
    quality = assess(spec, retriever, parts.test, n_items, answers)
    setting = Setting(
        retriever, parts.test.queries, n_items, answers, quality.faults, look,
        parts.test.relevant, peaks,
    )  # fmt: skip
    passes = [
        measure_load(spec, number, setting, clock, workplace) for number in range(len(spec.loads))
    ]
    per_query = f"per_query/{digest([spec.trial_id, search])}.npz"
    shared = {
        **_identity(spec, place),
        "learned_from": learned_from(spec, retriever),
        **_quality_fields(quality, len(answers)),
        **_surroundings(spec),
        **offline_fields(retriever, offline),
        "search": search,
        "data_hash": parts.data_hash,
        "split": parts.protocol,
        "dropped": parts.dropped,
        "counters": counters,
        "per_query": per_query,
        "started_at": started_at,
    }
    # peaks that count from the fit on are not those of a trial that did not fit
    peaks_of_fit = ("peak_host_bytes", "peak_device_bytes")
    unclaimed = {} if offline.fitted_by is None else dict.fromkeys(peaks_of_fit)
    records = [
        Record(
            load=load,
            **shared,
            **{**one.fields, "warnings": (*offline.warnings, *one.fields["warnings"]), **unclaimed},
        )
        for load, one in zip(spec.loads, passes, strict=True)
    ]
    arrays: dict[str, npt.NDArray[Any]] = {"exact_rows": quality.exact_rows}
    arrays |= {f"queries/{name}": one for name, one in query_facts(parts).items()}
    arrays |= {f"metrics/{name}": values for name, values in quality.per_query.items()}
    for one in passes:
        arrays |= one.arrays
    _write_arrays(place.folder / per_query, answers, parts.test, arrays)
    return records


def query_facts(parts: Parts) -> dict[str, npt.NDArray[Any]]:
    """Return what tells test queries apart, (n,) each, so that quality can be read by segment.

    ``history_items``: items of the history that the query gives. ``relevant_events``: training
    interactions of its relevant items, their mean; 0 for items that training has not met.
    """
    test, train = parts.test, parts.full_train
    counts = np.bincount(train.item_ids, minlength=train.n_items)
    sizes = np.diff(test.relevant.indptr)
    sums = np.bincount(test.relevant.rows, weights=counts[test.relevant.ids], minlength=len(test))
    return {
        "history_items": np.diff(test.queries.history.indptr).astype(np.int32),
        "relevant_events": sums / np.maximum(sizes, 1),
    }


def _identity(spec: TrialSpec, place: Place) -> dict[str, Any]:
    return {
        "trial_id": spec.trial_id,
        "attempt": place.attempt,
        "n_points": spec.n_points,
        "suite": spec.suite,
        "case": spec.case,
        "method": spec.method,
        "build": spec.build,
        "dataset": dataset_id(spec.dataset, spec.dataset_params),
        "device": spec.device,
        "threads": spec.threads,
        "fit_threads": spec.fit_threads,
        "seed": spec.seed,
        "profile": spec.profile,
        "repeat": spec.repeat,
        "replay": spec.replay(place.folder, place.data_root),
        "tuning": spec.tuning,
    }


def _peaks(spec: TrialSpec, offline: Offline, while_searched: int) -> dict[str, int | None]:
    """Return the peaks of the offline part and of this setting, none of another setting's."""
    device, offline_device = peak_device_bytes(spec.device), offline.allocator_peak_bytes
    return {
        "peak_host_bytes": max(while_searched, *offline.peak_bytes.values()),
        "peak_device_bytes": None if device is None else max(device, offline_device or 0),
    }


def _quality_fields(quality: Quality, n_queries: int) -> dict[str, Any]:
    return {
        "metrics": quality.means,
        "metrics_version": VERSION,
        "metrics_ci": quality.intervals,
        "metrics_ties": quality.ties,
        "n_queries": n_queries,
        "fill_rate": quality.fill_rate,
        "tied_lists": quality.tied_lists,
    }


def _surroundings(spec: TrialSpec) -> dict[str, Any]:
    return {
        "machine": {**describe_machine(), **describe_device(spec.device)},
        "environment": describe_environment(),
        "commit": commit(),
        "code_hash": code_of(spec.method),
    }


def _counters(retriever: Retriever) -> Mapping[str, int]:
    if Capability.COUNTERS not in retriever.capabilities:
        return {}
    return dict(retriever.counters())


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

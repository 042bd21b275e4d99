"""One load of an operating point: its timed pass, the checks on it, and the fields it fills."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.interactions import Queries
from harness.lists import IntArray, Lists
from harness.measure.clock import Clock
from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.memory import PhasePeak, forget_device_peak, peak_device_bytes
from harness.measure.mix import choose_rows, spare_rows
from harness.measure.profile import PROFILES, Profile
from harness.measure.sending import Search
from harness.measure.timing import Conditions, Timing
from harness.measure.validity import Facts, reasons_against, warnings_of
from harness.measure.workplace import Workplace
from harness.params import parse_params
from harness.record import Status
from harness.retriever import Capability, Retriever
from harness.run.first_look import FirstLook
from harness.run.stage_pass import stage_fields
from harness.run.timed_answers import TimedAnswers
from harness.run.trial_spec import TrialSpec
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
class Setting:
    """A retriever set up for one search setting, and what is known of it before it is timed.

    Attributes
    ----------
    answers, faults : its scored answers to all test queries, and what is wrong with them.
    look : what was found while it was cold.
    relevant : what should be found, a row per query.
    peaks : the peaks so far, as the fields of a record.
    """

    retriever: Retriever
    queries: Queries
    n_items: int
    answers: TopK
    faults: tuple[str, ...]
    look: FirstLook
    relevant: Lists
    peaks: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class LoadPass:
    """Fields of the record, and arrays for the file of per-query values."""

    fields: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]


def measure_load(
    spec: TrialSpec, number: int, setting: Setting, clock: Clock, workplace: Workplace
) -> LoadPass:
    """Run load ``number`` of the trial: a timed pass, then, for the first load, one of stages."""
    load: LoadSpec = parse_params(LoadSpec, spec.loads[number])
    if load.resident and (why := _not_resident(spec, setting.retriever)):
        skipped = {"status": Status.SKIPPED, "reason": why, "warnings": (), **setting.peaks}
        return LoadPass(skipped, {})
    look, retriever = setting.look, setting.retriever
    rows, conditions = _conditions(spec, number, load, setting.queries)
    scored = TopK(setting.answers.ids[rows], setting.answers.scores[rows])
    check = TimedAnswers(scored, setting.n_items, setting.relevant.take(rows))
    conditions = dataclasses.replace(conditions, check=check)
    search: Search = retriever.search
    if load.resident:
        search = retriever.search_resident
        conditions = dataclasses.replace(
            conditions, prepare=retriever.to_device, finish=retriever.to_host
        )
    sent = setting.queries.take(rows)
    forget_device_peak(spec.device)
    peak = PhasePeak(may_sample=False)
    with workplace.watch() as watch:
        timing = run_load(load, search, sent, spec.k, clock, conditions)
    peak_bytes, device_bytes = peak.stop(), peak_device_bytes(spec.device)
    facts = Facts(
        timing=timing,
        profile=conditions.profile,
        list_faults=setting.faults,
        n_checked=check.n_checked,
        n_differ=check.n_differ,
        timed_faults=check.faults,
        repeated_ratio=look.worst_ratio,
        n_early_errors=look.n_errors,
        early_error=look.first_error,
        step_s=clock.step_s(),
        changes=watch.seen.faults,
    )
    stages: dict[str, Any] = {}
    stage_warnings: tuple[str, ...] = ()
    if number == 0 and not load.resident:  # stages are those of host memory to host memory
        stages, stage_warnings = stage_fields(retriever, sent, spec.k, clock, load.call_size)
    reasons = reasons_against(facts)
    before = setting.peaks["peak_device_bytes"]
    fields = {
        "peak_host_bytes": max(peak_bytes, setting.peaks["peak_host_bytes"] or 0),
        "peak_device_bytes": None if device_bytes is None else max(device_bytes, before or 0),
        "status": Status.INVALID if reasons else Status.OK,
        "reason": "; ".join(reasons) or None,
        "warnings": (*watch.seen.warnings, *warnings_of(facts), *stage_warnings),
        "isolation": watch.seen.isolation,
        "cold_first_s": None if look.cold is None else look.cold.first_s,
        "cold_100_s": None if look.cold is None else look.cold.first_100_s,
        "repeated_ratio": look.repeats.ratio,
        **_timing_fields(timing, conditions.profile),
        **stages,
    }
    return LoadPass(fields, _raw_times(timing, rows, number))


def _not_resident(spec: TrialSpec, retriever: Retriever) -> str | None:
    """Return why queries cannot lie on the device, None when they can."""
    if spec.device == "cpu":
        return "device-resident: the memory of a CPU is the host's"
    if Capability.RESIDENT not in retriever.capabilities:
        return f"device-resident: {spec.method!r} does not declare the capability"
    return None


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

"""The run: a suite's trials, one at a time, into a results folder; what is done is not repeated."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from harness.data.catalog import dataset_id
from harness.measure.device import missing_device
from harness.measure.machine import commit, describe_environment, describe_machine
from harness.record import Record, Status, latest_attempts
from harness.run.checkpoints import remove_checkpoints, remove_unless_it_goes_on
from harness.run.code import code_of
from harness.run.ending import Ending
from harness.run.executor import execute
from harness.run.fits import remove_fits
from harness.run.learning import learned_from
from harness.run.messages import Stage
from harness.run.plan import method_class
from harness.run.saved import remove_saved
from harness.run.trial_spec import Place, TrialSpec

# The limit that a trial met which ended so.
LIMIT_OF: Mapping[str, str] = {
    Status.TIMEOUT: "time_limit_s",
    Status.OUT_OF_MEMORY: "memory_limit_bytes",
}


class Log(Protocol):
    """Where records are kept; `harness.store.journal.Journal` is one."""

    def append(self, record: Record) -> None:
        """Keep one record for good."""


class Listener(Protocol):
    """Who is told how the run goes; the command line shows it."""

    def trial_starts(self, number: int, total: int, spec: TrialSpec) -> None:
        """Take note that trial ``number`` (from 1) of ``total`` begins."""

    def stage(self, stage: Stage) -> None:
        """Take note of the stage that the trial has come to."""

    def trial_ends(self, spec: TrialSpec, ending: Ending, seconds: float) -> None:
        """Take note of how the trial ended."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all trials of one run share.

    Attributes
    ----------
    folder : where logs, per-query files and the journal go.
    data_root : where the data lie, or None for the default.
    split, data_hash : ids of the data, as in the records.
    from_start : no trial takes over what an interrupted attempt left, nor a fit of an earlier run.
    """

    folder: Path
    data_root: Path | None
    split: str
    data_hash: str
    from_start: bool = False


def pending_trials(
    trials: Sequence[TrialSpec], records: Sequence[Record], data_hash: str
) -> list[TrialSpec]:
    """Return the trials that ``records`` do not answer yet.

    A trial is answered when this code, on this machine with these libraries and these data, has
    left a record of every operating point, or one of a failure. A part of the points does not
    count: its process was killed, and the trial runs again. So does a trial that was skipped for
    want of a device, once there is one, and one that met a limit, under another limit.
    """
    answered = {
        trial_id
        for trial_id, standing in latest_attempts(records).items()
        if _is_present(standing[0], data_hash) and _is_complete(standing)
    } - _limited_otherwise(trials, records)
    answered -= _can_run_now(trials, records)
    return [trial for trial in trials if trial.trial_id not in answered]


def _can_run_now(trials: Sequence[TrialSpec], records: Sequence[Record]) -> set[str]:
    """Return the trials that were skipped, for want of a device, where the device is there now."""
    devices = {trial.trial_id: trial.device for trial in trials}
    return {
        trial_id
        for trial_id, standing in latest_attempts(records).items()
        if trial_id in devices
        and not standing[-1].load
        and standing[-1].status == Status.SKIPPED
        and missing_device(devices[trial_id]) is None
    }


def _limited_otherwise(trials: Sequence[TrialSpec], records: Sequence[Record]) -> set[str]:
    """Return the trials whose last attempt hit a limit that is not the present one."""
    limits = {trial.trial_id: trial.limits for trial in trials}
    return {
        trial_id
        for trial_id, standing in latest_attempts(records).items()
        if (name := LIMIT_OF.get(standing[-1].status)) is not None
        and standing[-1].isolation.get("limits", {}).get(name) != limits.get(trial_id, {}).get(name)
    }


def _is_present(record: Record, data_hash: str) -> bool:
    """Return whether this code, machine, libraries and data would give the record again."""
    machine = describe_machine()  # without the GPU, which only the worker looks at
    return (
        record.code_hash == code_of(record.method)
        and record.data_hash == data_hash
        and dict(record.environment) == dict(describe_environment())
        and {name: record.machine.get(name) for name in machine} == dict(machine)
    )


def _is_complete(standing: Sequence[Record]) -> bool:
    ended_early = any(not one.load for one in standing)  # a record of failure has no load
    return ended_early or len(standing) == standing[0].n_points


def run_trials(
    trials: Sequence[TrialSpec], context: RunContext, log: Log, listener: Listener
) -> list[Ending]:
    """Run the trials one after another; each leaves records, whatever happens to it.

    A trial that was interrupted, or met a limit, goes on from the checkpoint that it left.
    """
    endings = []
    if context.from_start:
        remove_fits(context.folder)
    for number, spec in enumerate(trials, 1):
        listener.trial_starts(number, len(trials), spec)
        begun = time.monotonic()
        attempt = uuid.uuid4().hex[:12]
        place = Place(attempt, context.folder, context.data_root)
        invalid: list[str] = []

        def keep(record: Record, invalid: list[str] = invalid) -> None:
            log.append(record)
            if record.status == Status.INVALID:
                invalid.append(record.reason or "")

        if context.from_start:
            remove_checkpoints(spec, place)
        ending = execute(spec, place, listener.stage, keep)
        remove_saved(spec, place)
        remove_unless_it_goes_on(spec, place, ending)
        if ending.status is not Status.OK:
            log.append(failure_record(spec, attempt, context, ending))
        shown = Ending(Status.INVALID, invalid[0]) if invalid and ending.status == "ok" else ending
        listener.trial_ends(spec, shown, time.monotonic() - begun)
        endings.append(ending)
    return endings


def failure_record(spec: TrialSpec, attempt: str, context: RunContext, ending: Ending) -> Record:
    """Return the record that stands for all operating points of a trial that did not end well."""
    return Record(
        trial_id=spec.trial_id,
        attempt=attempt,
        n_points=spec.n_points,
        suite=spec.suite,
        case=spec.case,
        method=spec.method,
        build=spec.build,
        search={},
        load={},
        dataset=dataset_id(spec.dataset, spec.dataset_params),
        data_hash=context.data_hash,
        split=context.split,
        device=spec.device,
        threads=spec.threads,
        fit_threads=spec.fit_threads,
        learned_from=learned_from(spec, method_class(spec.method)),
        seed=spec.seed,
        profile=spec.profile,
        repeat=spec.repeat,
        status=ending.status,
        reason=ending.reason,
        started_at=datetime.now(UTC).isoformat(),
        machine=describe_machine(),
        isolation={"limits": spec.limits, "held_bytes": ending.held_bytes},
        environment=describe_environment(),
        commit=commit(),
        code_hash=code_of(spec.method),
        replay=spec.replay(context.folder, context.data_root),
        tuning=spec.tuning,
    )

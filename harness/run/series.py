"""Series: one case at growing sizes, which ends at the first limit it meets."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.record import Record, Status, latest_attempts
from harness.run.ending import Ending
from harness.run.messages import Stage
from harness.run.plan import Choice, plan_trials
from harness.run.runner import Listener, Log, RunContext, failure_record, pending_trials, run_trials
from harness.run.suite import Suite
from harness.run.trial_spec import TrialSpec

SIZE = "n_items"  # the parameter of the dataset that grows
STOPPED = "not run: stopped at n = "
NO_DATA = RunContext(Path(), None, "", "")  # where no data were drawn
# These end no series: a missing device is said at every size, a doubtful number is a number.
GOES_ON = (Status.OK, Status.INVALID, Status.SKIPPED)


def plan_sizes(
    suite: Suite, choice: Choice, sizes: Sequence[int], faults: Sequence[str] = ()
) -> dict[int, list[TrialSpec]]:
    """Return the trials of each size, small sizes first.

    Raises
    ------
    SuiteError
        A fault of the suite, or a dataset without the parameter n_items.
    """
    plans = {}
    for size in sorted(set(sizes)):
        params = {**suite.dataset_params, SIZE: size}
        trials = plan_trials(dataclasses.replace(suite, dataset_params=params), choice, faults)
        plans[size] = [dataclasses.replace(one, scaled_to=size) for one in trials]
    return plans


def run_series(
    plans: Mapping[int, Sequence[TrialSpec]],
    context_of: Callable[[int], RunContext],
    records: Sequence[Record],
    log: Log,
    listener: Listener,
    *,
    force: bool = False,
) -> list[Record]:
    """Run what ``records`` do not answer yet; return the records that stand, in order of plans.

    A trial of a series that has ended is not run; a record with the status ``skipped`` says where
    and why it ended. Such a record answers nothing: with a higher limit the series goes on.

    Parameters
    ----------
    plans : size -> trials, small sizes first.
    context_of : size -> what trials of that size share; asked only where one may have to run, as
        it draws the data. Where it raises MemoryError every series ends.
    """
    run = _Run(log, latest_attempts(records), listener, sum(map(len, plans.values())))
    for size, trials in plans.items():
        going = [one for one in trials if run.end_of(one) is None]
        context, pending = NO_DATA, []
        try:
            context = context_of(size) if going else NO_DATA
            pending = going if force else run.pending(going, context.data_hash)
        except MemoryError as error:
            ending = Ending(Status.OUT_OF_MEMORY, f"the data of {size:,} items: {error}")
            run.end_all(going, ending)
        for spec in trials:
            run.next_trial(spec, context, runs=spec in pending)
    return [one for trials in plans.values() for spec in trials for one in run.of(spec)]


@dataclass(slots=True)
class _Run:
    """What stands of the trials so far, and which series have ended and why."""

    log: Log
    standing: dict[str, list[Record]]
    listener: Listener
    total: int
    number: int = 0
    ended: dict[str, str] = field(default_factory=dict)

    def append(self, record: Record) -> None:
        """Keep a record: in the log, and as one that stands."""
        self.log.append(record)
        before = self.standing.get(record.trial_id, [])
        kept = [one for one in before if one.attempt == record.attempt]
        self.standing[record.trial_id] = [*kept, record]

    def of(self, spec: TrialSpec) -> list[Record]:
        """Return the records that stand for a trial."""
        return self.standing.get(spec.trial_id, [])

    def end_of(self, spec: TrialSpec) -> str | None:
        """Return why the series of a trial has ended, None while it goes on."""
        return self.ended.get(_series(spec))

    def pending(self, trials: Sequence[TrialSpec], data_hash: str) -> list[TrialSpec]:
        """Return the trials that have no answer; that a series had ended is none."""
        answers = [one for spec in trials for one in self.of(spec) if not _is_stop(one)]
        return pending_trials(trials, answers, data_hash)

    def next_trial(self, spec: TrialSpec, context: RunContext, *, runs: bool) -> None:
        """Run a trial, or note that its series has ended, or let stand what stands."""
        self.number += 1
        reason = self.end_of(spec)
        if reason is None:
            if runs:
                run_trials([spec], context, self, self)
            ends = [one for one in self.of(spec) if one.status not in GOES_ON]
            if ends:
                size = spec.dataset_params[SIZE]
                self.ended[_series(spec)] = (
                    f"{STOPPED}{size:,} by {ends[0].status}: {ends[0].reason}"
                )
        else:
            self._leave(spec, context, Ending(Status.SKIPPED, reason))

    def end_all(self, trials: Sequence[TrialSpec], ending: Ending) -> None:
        """Note for each of these trials, of one size, that it ended before it could begin."""
        for spec in trials:
            self._leave(spec, NO_DATA, ending)

    def _leave(self, spec: TrialSpec, context: RunContext, ending: Ending) -> None:
        """Keep a record of a trial that did not begin, unless the one that stands says the same."""
        if [(one.status, one.reason) for one in self.of(spec)] != [(ending.status, ending.reason)]:
            self.append(failure_record(spec, uuid.uuid4().hex[:12], context, ending))

    # A `Listener` too: each trial runs alone, and is shown as one of all, with its size.

    def trial_starts(self, number: int, total: int, spec: TrialSpec) -> None:
        """Hand on, with the trial's place among all sizes."""
        self.listener.trial_starts(self.number, self.total, _shown(spec))

    def stage(self, stage: Stage) -> None:
        """Hand on."""
        self.listener.stage(stage)

    def trial_ends(self, spec: TrialSpec, ending: Ending, seconds: float) -> None:
        """Hand on."""
        self.listener.trial_ends(_shown(spec), ending, seconds)


def _series(spec: TrialSpec) -> str:
    """Return an id that the trials of one series share: everything but the size and the repeat."""
    params = {**spec.dataset_params, SIZE: 0}
    return dataclasses.replace(spec, dataset_params=params, repeat=0).trial_id


def _shown(spec: TrialSpec) -> TrialSpec:
    return dataclasses.replace(spec, case=f"{spec.case}, n = {spec.dataset_params[SIZE]:,}")


def _is_stop(record: Record) -> bool:
    return record.status == Status.SKIPPED and str(record.reason).startswith(STOPPED)

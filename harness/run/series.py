"""Series: one case at growing sizes, which ends at the first limit it meets."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.record import Record, Status, latest_attempts
from harness.run.executor import Ending
from harness.run.plan import Choice, plan_trials
from harness.run.runner import Listener, Log, RunContext, failure_record, pending_trials, run_trials
from harness.run.suite import Suite
from harness.run.trial_spec import TrialSpec

SIZE = "n_items"  # the parameter of the dataset that grows
STOPPED = "not run: stopped at n = "
LIMITS_MET = (Status.FAILED, Status.TIMEOUT)  # a missing device is said at every size


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


@dataclass(slots=True)
class Series:
    """Which series go on; told of every trial's records, small sizes first.

    Attributes
    ----------
    stopped : why a series ended, by its key.
    """

    stopped: dict[str, str] = field(default_factory=dict)

    def reason(self, spec: TrialSpec) -> str | None:
        """Return why a trial is not run, None where it is."""
        return self.stopped.get(self._key(spec))

    def take(self, spec: TrialSpec, standing: Sequence[Record]) -> None:
        """Take note of the records that stand for a trial."""
        ends = [one for one in standing if one.status in LIMITS_MET]
        if ends and self._key(spec) not in self.stopped:
            size = spec.dataset_params[SIZE]
            self.stopped[self._key(spec)] = (
                f"{STOPPED}{size:,} by {ends[0].status}: {ends[0].reason}"
            )

    def _key(self, spec: TrialSpec) -> str:
        params = {**spec.dataset_params, SIZE: 0}
        return dataclasses.replace(spec, dataset_params=params).trial_id


def run_series(
    plans: Mapping[int, Sequence[TrialSpec]],
    context_of: Callable[[int], RunContext],
    records: Sequence[Record],
    log: Log,
    listener: Listener,
    *,
    force: bool = False,
) -> dict[str, list[Record]]:
    """Run what ``records`` do not answer yet, and return the records that stand, by trial id.

    A trial of a series that has ended is not run; a record with the status ``skipped`` says where
    and why it ended. Such a record answers nothing: with a higher limit the series goes on.

    Parameters
    ----------
    context_of : size -> what trials of that size share; asked only where one may have to run.
    """
    total = sum(len(trials) for trials in plans.values())
    series, number, kept = Series(), 0, _Kept(log, records)
    for size, trials in plans.items():
        going = [one for one in trials if series.reason(one) is None]
        context = context_of(size) if going else None
        answered = {} if context is None or force else _answered(going, kept, context)
        for spec in trials:
            number += 1
            reason = series.reason(spec)
            if reason is not None:
                kept.skip(spec, reason, context or NOT_DRAWN)
            elif spec.trial_id not in answered:
                assert context is not None, "a series that goes on has a context"
                run_trials([spec], context, kept, _Counted(listener, number, total))
            series.take(spec, kept.standing(spec))
    return {one.trial_id: kept.standing(one) for trials in plans.values() for one in trials}

"""The tuning: trials of all cases in turn, each in a process of its own, into ``tuning.jsonl``."""

import dataclasses
import itertools
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from harness.measure.machine import commit, describe_environment, describe_machine
from harness.record import Status
from harness.run.code import code_of
from harness.run.ending import Ending
from harness.run.executor import execute
from harness.run.messages import Scored
from harness.run.runner import Listener, RunContext
from harness.run.sampler import VERSION, Tried, suggest
from harness.run.trial_spec import Place, Table, TrialSpec, digest
from harness.run.tuning_plan import TuningCase
from harness.seeding import derive_seed, generator
from harness.spaces import Range, Space, plain_space, plain_value, size_of
from harness.tuning import Outcome, TuningTrial

SUGGESTIONS = 20  # asked of the sampler before an untried setting is looked for otherwise
FEW = 10_000  # settings of a space that are listed whole


class TuningLog(Protocol):
    """Where trials are kept; `harness.store.tuning_log.TuningLog` is one."""

    def append(self, trial: TuningTrial) -> None:
        """Keep one trial for good."""


class Evaluate(Protocol):
    """What runs one trial; `evaluate` is one."""

    def __call__(
        self, spec: TrialSpec, context: RunContext, listener: Listener
    ) -> tuple[Ending, Scored | None]:
        """Return how the trial ended, and what it came to if it ended well."""


def evaluate(
    spec: TrialSpec, context: RunContext, listener: Listener
) -> tuple[Ending, Scored | None]:
    """Run a trial in a process of its own, under its limits, as `matchbench run` does."""
    scored: list[Scored] = []
    place = Place(uuid.uuid4().hex[:12], context.folder, context.data_root)
    ending = execute(spec, place, listener.stage, lambda _: None, scored.append)
    return ending, scored[0] if scored and ending.status is Status.OK else None


@dataclass(slots=True)
class Tuning:
    """A tuning under way.

    Attributes
    ----------
    cases : what is tuned.
    budget : trials of every case.
    sampler : a name of `harness.run.sampler.SAMPLERS`.
    context : where logs go and data lie.
    """

    cases: Sequence[TuningCase]
    budget: int
    sampler: str
    context: RunContext
    log: TuningLog
    listener: Listener
    evaluate: Evaluate = evaluate
    _trials: dict[str, list[TuningTrial]] = field(default_factory=dict)
    _ended: dict[str, str] = field(default_factory=dict)

    def take_up(self, earlier: Sequence[TuningTrial]) -> int:
        """Let stand what an earlier call tried in the same studies; return how many trials.

        A study's trials follow one another from 0; what is beyond the budget is left aside.
        """
        for case in self.cases:
            found = {one.number: one for one in earlier if one.study == self.study_of(case)}
            numbers = itertools.takewhile(found.__contains__, range(self.budget))
            self._trials[case.spec.case] = [found[number] for number in numbers]
        return sum(map(len, self._trials.values()))

    def run(self) -> list[Outcome]:
        """Run what is missing, trial n of every case before trial n + 1 of any."""
        tuned = [case for case in self.cases if case.space]
        total = sum(max(self._most(case) - len(self._of(case)), 0) for case in tuned)
        started = 0
        for number, case in itertools.product(range(self.budget), tuned):
            if number < len(self._of(case)) or case.spec.case in self._ended:
                continue
            build = self._next(case, number)
            if build is not None:
                started += 1
                self._of(case).append(self._try(case, number, build, started, max(total, started)))
        return [
            Outcome(
                case.spec.case,
                self.budget,
                self._of(case),
                case.reason or self._ended.get(case.spec.case),
            )
            for case in self.cases
        ]

    def study_of(self, case: TuningCase) -> str:
        """Return an id of everything that the trials of a case depend on but their number."""
        spec = case.spec
        return digest(
            [
                [spec.case, spec.trial_id, spec.limits, plain_space(case.space)],
                [case.given, case.searches],
                [self.sampler, VERSION, self.context.data_hash, code_of(spec.method)],
                [describe_machine(), describe_environment()],
            ]
        )

    def _of(self, case: TuningCase) -> list[TuningTrial]:
        return self._trials.setdefault(case.spec.case, [])

    def _most(self, case: TuningCase) -> int:
        """Return how many trials a case has at most: the space's, and one of a default outside."""
        return int(min(self.budget, size_of(case.space) + 1))

    def _next(self, case: TuningCase, number: int) -> Table | None:
        """Return the build parameters to try next; None, and a note, where the space has ended."""
        if number == 0:
            return case.spec.build
        build = next_build(case, self._of(case), self.sampler)
        if build is None:
            n_known = f"{number} setting{'s' if number > 1 else ''}"
            self._ended[case.spec.case] = f"after {n_known} none is left that the method takes"
        return build

    def _try(
        self, case: TuningCase, number: int, build: Table, place: int, total: int
    ) -> TuningTrial:
        spec = case.trial_with(build)
        shown = dataclasses.replace(spec, case=f"{spec.case}, trial {number}")
        started_at, begun = datetime.now(UTC).isoformat(), time.monotonic()
        self.listener.trial_starts(place, total, shown)
        ending, scored = self.evaluate(spec, self.context, self.listener)
        seconds = time.monotonic() - begun
        if scored is None and ending.status is Status.OK:
            ending = Ending(Status.FAILED, "the trial ended without a score")
        trial = TuningTrial(
            study=self.study_of(case),
            number=number,
            suite=spec.suite,
            case=spec.case,
            method=spec.method,
            values=case.values_of(build),
            build=build,
            status=ending.status,
            reason=ending.reason,
            metric=spec.metrics[0],
            seconds=seconds,
            space=plain_space(case.space),
            sampler=self.sampler,
            seed=spec.seed,
            device=spec.device,
            data_hash=self.context.data_hash,
            code_hash=code_of(spec.method),
            commit=commit(),
            started_at=started_at,
            **({} if scored is None else dataclasses.asdict(scored)),
        )
        self.log.append(trial)
        self.listener.trial_ends(shown, ending, seconds)
        return trial


def next_build(
    case: TuningCase, trials: Sequence[TuningTrial], sampler: str
) -> dict[str, Any] | None:
    """Return all build parameters of the next trial, None when no other setting is found.

    The sampler is asked again while it names a setting that was tried, or one that the method
    refuses. In the end an untried one is drawn by lot, of a space that can be listed. What comes
    out depends on the arguments alone.
    """
    spec, known = case.spec, [dict(one.build) for one in trials]
    tried = [Tried(one.values, one.value) for one in trials]
    for again in range(SUGGESTIONS):
        seed = derive_seed(spec.seed, f"tune/{spec.case}/{len(trials)}/{again}")
        build = _accepted(case, suggest(sampler, case.space, tried, seed))
        if build is not None and build not in known:
            return build
    if size_of(case.space) > FEW:
        return None
    builds = [_accepted(case, values) for values in _every(case.space)]
    fresh = [one for one in builds if one is not None and one not in known]
    lot = generator(spec.seed, f"tune/{spec.case}/{len(trials)}/left")
    return fresh[int(lot.integers(len(fresh)))] if fresh else None


def _accepted(case: TuningCase, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the build parameters with these values, None where the method refuses them."""
    try:
        return case.build_with(values)
    except ValueError:
        return None


def _every(space: Space) -> list[dict[str, Any]]:
    axes = [
        range(int(axis.low), int(axis.high) + 1)
        if isinstance(axis, Range)
        else [plain_value(one) for one in axis]
        for axis in space.values()
    ]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]

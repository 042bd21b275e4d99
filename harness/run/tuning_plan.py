"""Planning a tuning: a Suite -> for each case the default trial and the space around it."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import SuiteError
from harness.metrics.metric import parse_metric
from harness.params import parse_params
from harness.retriever import Capability, Retriever
from harness.run.plan import Choice, method_class, plan_trials, points
from harness.run.suite import Case, Suite, raise_faults
from harness.run.trial_spec import Table, TrialSpec
from harness.seeding import generator
from harness.spaces import Range, Space, draw, parse_space, plain_value

COMBINATIONS = 50  # of other values, in which a value of the space is tried when planning


@dataclass(frozen=True, slots=True)
class TuningCase:
    """One case of a suite as it is tuned.

    Attributes
    ----------
    spec : trial 0, the suite's own values with defaults where it is silent, asked on validation.
    space : build parameters to vary; empty where there is nothing to tune, which ``reason`` says.
    stops_early : the method sees the validation part while it fits, to stop or choose by.
    given : build parameters that the suite sets; what it leaves out gets the defaults of a trial,
        which may depend on the values tuned.
    searches : search settings as the suite gives them, for each trial to settle.
    """

    spec: TrialSpec
    space: Space
    reason: str | None
    stops_early: bool
    given: Table
    searches: tuple[Table, ...]

    def values_of(self, build: Table) -> dict[str, Any]:
        """Return the tuned ones among all build parameters."""
        return {name: build[name] for name in self.space}

    def build_with(self, values: Table) -> dict[str, Any]:
        """Return all build parameters: ``values``, the suite's own, and defaults for the rest.

        Raises
        ------
        ValueError
            The method refuses this combination, or under it a search setting of the suite.
        """
        parsed = parse_params(method_class(self.spec.method).BuildParams, {**self.given, **values})
        self._settled(parsed)
        return _plain(parsed)

    def trial_with(self, build: Table) -> TrialSpec:
        """Return a trial with what `build_with` gave, and the search settings as it reads them."""
        parsed = parse_params(method_class(self.spec.method).BuildParams, build)
        return dataclasses.replace(self.spec, build=build, searches=self._settled(parsed))

    def _settled(self, build: Any) -> tuple[Table, ...]:
        cls = method_class(self.spec.method)
        parsed = (parse_params(cls.SearchParams, one) for one in self.searches)
        known = dict.fromkeys(cls.settle_search(build, one) for one in parsed)
        return tuple(_plain(one) for one in known)

    def refusal(self, values: Table) -> str | None:
        """Return why the method refuses these values, or None."""
        try:
            self.build_with(values)
        except ValueError as error:
            return str(error)
        return None


def default_metric(suite: Suite) -> str:
    """Return the first metric of a suite that a tuning can go by.

    Raises
    ------
    SuiteError
        None has a value per query that depends on relevant items alone.
    """
    for name in suite.metrics:
        if _is_fit(name):
            return name
    raise SuiteError(
        f"{suite.path}: metrics = {list(suite.metrics)}: none to tune by; use --metric"
    )


def plan_tuning(
    suite: Suite,
    choice: Choice,
    metric: str,
    *,
    faults: Sequence[str] = (),
    time_limit_s: float | None = None,
) -> list[TuningCase]:
    """Return what is tuned of each case that the choice wants, in the suite's order.

    The first device, number of threads and seed of the suite, the case or the choice are used. A
    case is tuned from one point: a build grid of several is refused.

    Raises
    ------
    SuiteError
        Any fault of the suite, a metric that no tuning can go by, a grid, or a value in a space
        that the method takes with no others.
    """
    if time_limit_s is not None and not 0 < time_limit_s < math.inf:
        raise SuiteError(f"--time-limit {time_limit_s:g} must be above 0 and finite")
    if not _is_fit(metric):
        expected = "one with a value per query from relevant items, such as ndcg@10"
        raise_faults(suite.path, [f"--metric {metric!r} cannot be tuned by; expected {expected}"])
    planned = dataclasses.replace(
        suite,
        metrics=(metric,),
        devices=suite.devices[:1],
        seeds=suite.seeds[:1],
        threads=suite.threads[:1],
        cases=tuple(
            dataclasses.replace(one, seeds=one.seeds and one.seeds[:1]) for one in suite.cases
        ),
        profile="smoke",
        tuning={},
        time_limit_s=suite.time_limit_s if time_limit_s is None else time_limit_s,
    )
    cases: dict[str, list[TrialSpec]] = {}
    for one in plan_trials(planned, choice, faults):
        cases.setdefault(one.case, []).append(one)
    grids = [
        f"case {name!r}: build stands for {len(trials)} trials, and a tuning starts from one; give "
        "each parameter one value, or move its list to [case.tune]"
        for name, trials in cases.items()
        if len(trials) > 1
    ]
    if suite.split.get("select_on") == "test":
        grids.append('split: select_on = "test" has no validation part to tune on')
    raise_faults(suite.path, grids)
    by_name = {case.name: case for case in suite.cases}
    found = [_tuning_case(by_name[name], trials[0]) for name, trials in cases.items()]
    raise_faults(suite.path, [fault for one in found for fault in _refused_values(one)])
    return found


def _tuning_case(case: Case, spec: TrialSpec) -> TuningCase:
    cls = method_class(case.method)
    spec = dataclasses.replace(spec, part="validation", loads=())
    space, reason = _space_of(case, cls)
    if spec.device not in cls.devices:
        space, reason = {}, f"runs on {', '.join(cls.devices)}, not on {spec.device}"
    return TuningCase(
        spec,
        space,
        reason,
        stops_early=Capability.VALIDATION in cls.capabilities,
        given=next(points(case.build)),
        searches=tuple(one for table in case.searches for one in points(table)),
    )


def _refused_values(case: TuningCase) -> list[str]:
    """Return the ends and choices of a space that the method takes in no combination tried."""
    random = generator(0, "tune/check")
    faults = []
    for name, axis in case.space.items():
        ends = (axis.low, axis.high) if isinstance(axis, Range) else axis
        for value in ends:
            others = [draw(case.space, random) for _ in range(COMBINATIONS)]
            refusals = [case.refusal({**one, name: plain_value(value)}) for one in ({}, *others)]
            if all(refusals):
                faults.append(f"case {case.spec.case!r}: tune: {name} = {value!r}: {refusals[0]}")
    return faults


def _space_of(case: Case, cls: type[Retriever]) -> tuple[Space, str | None]:
    """Return the space, and why it is empty where it is.

    Without a table of its own, a case is tuned in what its method declares, except for what the
    suite sets in ``build``: that is part of its question.
    """
    if case.tune is not None:
        space, _ = parse_space(cls.BuildParams, case.tune)
        return space, None if space else "[case.tune] names no parameter"
    declared, faults = parse_space(cls.BuildParams, cls.TuneSpace)
    raise_faults(f"TuneSpace of {case.method}", faults)
    if not declared:
        fields = dataclasses.fields(cls.BuildParams)
        return {}, "the method declares no TuneSpace" if fields else "the method has no parameters"
    space = {name: axis for name, axis in declared.items() if name not in case.build}
    return space, None if space else f"build sets {', '.join(declared)}; [case.tune] would vary it"


def _plain(params: Any) -> dict[str, Any]:
    """Return a parameter dataclass as JSON values."""
    return {name: plain_value(value) for name, value in dataclasses.asdict(params).items()}


def _is_fit(name: str) -> bool:
    try:
        metric = parse_metric(name)
    except ValueError as error:
        raise SuiteError(f"metric: {error}") from error
    return metric.scope == "query" and not metric.needs_exact

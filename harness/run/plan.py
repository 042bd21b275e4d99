"""Planning: a Suite -> the trials it stands for; all faults are reported, nothing is run."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from harness.data.best_possible import BestPossible
from harness.data.catalog import DATASETS, parse_dataset_params
from harness.data.split_spec import parse_split
from harness.data.splits import Parts
from harness.errors import HarnessError, SuiteError, near
from harness.measure.load_spec import LoadSpec
from harness.measure.profile import PROFILES
from harness.metrics.metric import Metric, parse_metric
from harness.params import parse_params
from harness.registry import load_method
from harness.retriever import Retriever
from harness.run.suite import Case, Suite, Table, raise_faults
from harness.run.trial_spec import TrialSpec
from harness.spaces import parse_space

KNOWN_ANSWERS = "known_answers"  # how the names of suites begin that ask for published figures
BEST_POSSIBLE = "best_possible"  # ranks by the truth of a synthetic log; no method may see it


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """What the command line changes in a suite; None leaves the suite's own value.

    ``suite`` is what was typed to name it, for the command that runs a trial again.
    """

    devices: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    methods: str | None = None  # a glob over case and method names
    profile: str | None = None
    suite: str | None = None


def plan_trials(
    suite: Suite, choice: Choice | None = None, faults_of_form: Sequence[str] = ()
) -> list[TrialSpec]:
    """Expand a suite into trials: cases x build grid x threads x devices x seeds, in that order.

    Raises
    ------
    SuiteError
        Anything in the suite is unknown or makes no sense; every fault is listed, after those that
        `harness.run.suite.parse_suite` found.
    """
    choice = choice or Choice()
    faults = list(faults_of_form)
    shared = {
        **_shared_values(suite, faults),
        "suite_file": choice.suite or suite.path,
        "profile": choice.profile or suite.profile,
    }
    wanted = [case for case in suite.cases if _is_wanted(case, choice.methods)]
    if not wanted:
        names = [name for case in suite.cases for name in (case.name, case.method)]
        faults.append(f"no case matches {choice.methods!r}{near(str(choice.methods), names)}")
    trials = []
    for number, case in enumerate(suite.cases, 1):
        where = f"case {number} ({case.name})"
        grids = _grids(case, suite, where, faults)
        if case in wanted:
            devices = dict.fromkeys(choice.devices or suite.devices)
            seeds = dict.fromkeys(choice.seeds or case.seeds or suite.seeds)
            axes = (grids, dict.fromkeys(suite.threads), devices, seeds)
            trials += [
                TrialSpec(
                    case=case.name,
                    method=case.method,
                    build=build,
                    searches=searches,
                    device=device,
                    threads=threads,
                    seed=seed,
                    repeat=0,
                    tuning=_budget(suite, case),
                    **shared,
                )
                for (build, searches), threads, device, seed in itertools.product(*axes)
            ]
    first: dict[str, TrialSpec] = {}
    for trial in trials:
        other = first.setdefault(trial.trial_id, trial)
        if other is not trial:
            faults.append(f"cases {other.case!r} and {trial.case!r} are the same trial; name one")
    raise_faults(suite.path, faults)
    repeats = PROFILES[trials[0].profile].repeats
    # repeats of one trial stand far apart: a passing disturbance of the machine hits one of them
    return [dataclasses.replace(one, repeat=repeat) for repeat in range(repeats) for one in trials]


def check_against_data(suite: Suite, trials: Sequence[TrialSpec], parts: Parts) -> None:
    """Refuse what only the data can show to be impossible.

    Raises
    ------
    SuiteError
        k exceeds the catalogue, or a method refuses the log, see `Retriever.check_log`.
    """
    faults = _faults_of_k(suite, trials, parts)
    for trial in trials:
        cls = method_class(trial.method)
        refuse = partial(cls.check_log, parse_params(cls.BuildParams, trial.build))
        _checked(faults, f"case {trial.case}", partial(refuse, parts.full_train))
    raise_faults(suite.path, faults)


def check_k(suite: Suite, trials: Sequence[TrialSpec], parts: Parts) -> None:
    """Refuse a k that exceeds the catalogue; of growing catalogues, of which a method may do some.

    Raises
    ------
    SuiteError
        It does.
    """
    raise_faults(suite.path, _faults_of_k(suite, trials, parts))


def _faults_of_k(suite: Suite, trials: Sequence[TrialSpec], parts: Parts) -> list[str]:
    n_items, k = parts.full_train.n_items, max(trial.k for trial in trials)
    if k <= n_items:
        return []
    return [f"metrics: k = {k} exceeds the catalogue of {n_items} items of {suite.dataset}"]


def method_class(name: str) -> type[Retriever]:
    """Return the class of a method name, the reserved ``best_possible`` included."""
    return BestPossible if name == BEST_POSSIBLE else load_method(name)


def _shared_values(suite: Suite, faults: list[str]) -> dict[str, Any]:
    metrics = [_checked(faults, "metrics", partial(parse_metric, one)) for one in suite.metrics]
    loads = [
        _checked(faults, f"load {number}", partial(parse_params, LoadSpec, one))
        for number, one in enumerate(suite.load, 1)
    ]
    split = _checked(faults, "split", lambda: parse_split(suite.split))
    if split is not None and split.select_on == "test" and not suite.name.startswith(KNOWN_ANSWERS):
        faults.append(
            'split: select_on = "test" chooses by what is then measured; it is for the literal '
            f"comparison with figures made so, in suites whose name starts with {KNOWN_ANSWERS!r}"
        )
    known: dict[str, Any] = {}
    if suite.dataset not in DATASETS:
        faults.append(f"dataset: unknown dataset {suite.dataset!r}{near(suite.dataset, DATASETS)}")
    else:
        params = _checked(
            faults,
            "dataset_params",
            lambda: parse_dataset_params(suite.dataset, suite.dataset_params),
        )
        known = {} if params is None else _plain(params)
    return {
        "suite": suite.name,
        "loads": tuple(_plain(one) for one in loads if one is not None),
        "dataset": suite.dataset,
        "dataset_params": known,
        "split": {} if split is None else {"kind": split.kind, **split.table()},
        "metrics": suite.metrics,
        "k": max((one.k for one in metrics if isinstance(one, Metric)), default=1),
        "fit_threads": suite.fit_threads,
        "refit": suite.refit,
        "time_limit_s": float(suite.time_limit_s),
        "memory_limit_bytes": None
        if suite.memory_limit_mb is None
        else int(suite.memory_limit_mb * 1e6),
    }


def _budget(suite: Suite, case: Case) -> Table:
    """Return what a record says of the tuning of a case; the space stays in the suite."""
    table = suite.tuning.get(case.name, {})
    return {key: value for key, value in table.items() if key not in ("space", "chosen")}


def _grids(
    case: Case, suite: Suite, where: str, faults: list[str]
) -> list[tuple[Table, tuple[Table, ...]]]:
    """Return each point of the build grid with the search settings that are measured on it."""
    cls = _checked(faults, where, lambda: method_class(case.method))
    if cls is None:
        return []
    known = DATASETS.get(suite.dataset)
    if cls is BestPossible and known is not None and not known.is_synthetic:
        faults.append(f"{where}: {suite.dataset} is real data, whose best possible is not known")
    builds = _grid(cls.BuildParams, case.build, f"{where}: build", faults)
    searches: list[Any] = []
    for table in case.searches:
        searches += _grid(cls.SearchParams, table, f"{where}: search", faults)
    if case.tune is not None:
        _, found = parse_space(cls.BuildParams, case.tune)
        faults += [f"{where}: tune: {fault}" for fault in found]
    grids: list[tuple[Table, tuple[Table, ...]]] = []
    for build in builds:
        settled = [
            _checked(faults, f"{where}: search", partial(cls.settle_search, build, one))
            for one in searches
        ]
        distinct = dict.fromkeys(one for one in settled if one is not None)
        grids.append((_plain(build), tuple(_plain(one) for one in distinct)))
    return grids


def _grid(params: type[Any], table: Table, where: str, faults: list[str]) -> list[Any]:
    """Return the parameters of each point, one of equals."""
    faults += [f"{where}: {name} = [] names no value" for name, one in table.items() if one == []]
    parsed = [_checked(faults, where, partial(parse_params, params, one)) for one in points(table)]
    return list(dict.fromkeys(one for one in parsed if one is not None))


def points(table: Table) -> Iterator[dict[str, Any]]:
    """Expand a table whose lists are sets of values into every combination."""
    axes = [value if isinstance(value, list) else [value] for value in table.values()]
    for values in itertools.product(*axes):
        yield dict(zip(table, values, strict=True))


def _checked(faults: list[str], where: str, make: Callable[[], Any]) -> Any:
    """Return what ``make`` gives; a fault goes to the list, once, and None comes back."""
    try:
        return make()
    except (ValueError, HarnessError) as error:
        fault = f"{where}: {error}"
        if fault not in faults:
            faults.append(fault)
        return None


def _is_wanted(case: Case, glob: str | None) -> bool:
    return glob is None or fnmatchcase(case.name, glob) or fnmatchcase(case.method, glob)


def _plain(values: Any) -> dict[str, Any]:
    """Return a parameter dataclass as JSON values."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(values).items()
    }


__all__ = [
    "BEST_POSSIBLE",
    "Choice",
    "SuiteError",
    "check_against_data",
    "check_k",
    "plan_trials",
]

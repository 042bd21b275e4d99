"""What the suites of records say today: whether a command to run one again still runs it."""

import json
import shlex
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from harness.compare.setting import setting_key
from harness.errors import HarnessError
from harness.record import Record
from harness.run.learning import learned_from
from harness.run.plan import method_class, plan_trials
from harness.run.suite import find_suite, read_suite
from harness.run.trial_spec import TrialSpec

OFF = (None, False, 0, "none")  # so that a parameter that came later is no difference
TOLD = 4  # differences that a note names
# Beside parameters; the command gives the rest.
OF_TRIAL = ("method", "threads", "fit_threads")
Table = Mapping[str, Any]


def changed_since(records: Iterable[Record], folders: Sequence[Path]) -> dict[str, str]:
    """Return what differs where the suite of a record would measure something else now.

    By `setting_key`. A suite is planned once, and equal settings are looked up once, whatever
    their seeds. Of a suite that is not found nothing is said: its command says so itself.

    Parameters
    ----------
    folders : where shipped suites lie.
    """
    named = [(one, _suite_of(one.replay)) for one in records]
    cases: dict[str, set[str]] = {}
    for one, suite in named:
        cases.setdefault(suite, set()).add(one.case)
    plans = {suite: _planned(suite, wanted, folders) for suite, wanted in cases.items()}
    notes, known = {}, dict[str, str]()
    for one, suite in named:
        plan = plans[suite]
        if plan is None:
            continue
        names = ("case", "build", "search", "load", "learned_from", *OF_TRIAL)
        values = [getattr(one, name) for name in names]
        key = json.dumps([suite, *values], sort_keys=True)
        if key not in known:
            known[key] = _differences(one, [trial for trial in plan if trial.case == one.case])
        if known[key]:
            notes[setting_key(one.trial_id, one.search, one.load)] = known[key]
    return notes


def asked_of(records: Iterable[Record], folders: Sequence[Path]) -> dict[str, set[int]]:
    """Return case -> seeds that the suites of records ask for; of suites not found nothing."""
    asked: dict[str, set[int]] = {}
    for name in dict.fromkeys(_suite_of(one.replay) for one in records):
        for trial in _planned(name, None, folders) or []:
            asked.setdefault(trial.case, set()).add(trial.seed)
    return asked


@lru_cache(maxsize=1024)
def _suite_of(replay: str) -> str:
    """Return what stands for the suite in ``matchbench run SUITE ...``, "" where nothing does."""
    try:
        words = shlex.split(replay)
    except ValueError:  # a quotation without an end
        return ""
    return words[2] if len(words) > 2 else ""


def _planned(
    name: str, wanted: Container[str] | None, folders: Sequence[Path]
) -> Sequence[TrialSpec] | None:
    """Return the trials of some cases of a suite, or of all; None where it cannot be planned."""
    try:
        suite = read_suite(find_suite(name, folders))
        cases = tuple(one for one in suite.cases if wanted is None or one.name in wanted)
        return plan_trials(replace(suite, cases=cases)) if cases else []
    except HarnessError:
        return None


def _differences(record: Record, trials: Sequence[TrialSpec]) -> str:
    """Return how the nearest of today's trials of a case differs from a record, "" if it is it."""
    if not trials:
        return f"the suite has changed since: no case {record.case}"
    ours = _of_trial(record, record.learned_from)
    tables = [
        _of_trial(one, record.learned_from and learned_from(one, method_class(one.method)))
        for one in trials
    ]
    nearest = min(range(len(tables)), key=lambda one: _n_differing(ours, tables[one]))
    now = trials[nearest]
    moved = {  # a search parameter that became one of the build, with the value that it had
        name: value
        for name, value in record.search.items()
        if now.build.get(name) == value and not any(name in one for one in now.searches)
    }
    search = {name: value for name, value in record.search.items() if name not in moved}
    pairs: list[tuple[Table, Table]] = [({**ours, **moved}, tables[nearest])]
    for values, known in ((search, now.searches), (record.load, now.loads)):
        if values and known:  # a record of failure has neither
            pairs.append((values, min(known, key=partial(_n_differing, values))))
    changed = [text for one, now in pairs for text in _changed(one, now)]
    later = [text for one, now in pairs for text in _later(one, now)]
    return "; ".join(
        f"{what}: {', '.join([*texts[:TOLD], *_rest(texts)])}"
        for what, texts in (
            ("the suite has changed since", changed),
            ("parameters that came later", later),
        )
        if texts
    )


def _of_trial(trial: Record | TrialSpec, learned_from: str | None) -> Table:
    facts = {name: getattr(trial, name) for name in OF_TRIAL}
    return {**facts, "learned_from": learned_from, **trial.build}


def _differing(ours: Table, now: Table) -> list[str]:
    """Return the names whose values differ; a parameter that came later may be off."""
    return [
        name
        for name in dict.fromkeys([*ours, *now])
        if ours.get(name) != now.get(name) and not (ours.get(name) in OFF and now.get(name) in OFF)
    ]


def _n_differing(ours: Table, now: Table) -> int:
    return len(_differing(ours, now))


def _changed(ours: Table, now: Table) -> list[str]:
    return [
        f"{name} {_said(ours[name])}, now {_said(now.get(name))}"
        for name in _differing(ours, now)
        if name in ours
    ]


def _later(ours: Table, now: Table) -> list[str]:
    return [f"{name} {_said(now[name])}" for name in _differing(ours, now) if name not in ours]


def _rest(texts: Sequence[str]) -> list[str]:
    return [f"{len(texts) - TOLD} more"] if len(texts) > TOLD else []


def _said(value: Any) -> str:
    return "not set" if value is None else str(value)

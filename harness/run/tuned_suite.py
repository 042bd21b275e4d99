"""The suite that a tuning writes: the same question, with the chosen values and their budget."""

import shlex
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.measure.machine import commit
from harness.run.code import code_of
from harness.run.sampler import VERSION
from harness.run.toml_text import key, lines
from harness.run.trial_spec import Table
from harness.run.tuning_plan import TuningCase
from harness.spaces import plain_space
from harness.tuning import Outcome

SUFFIX = ".tuned"  # of the name, so that its records lie apart from the suite's


@dataclass(frozen=True, slots=True)
class TunedSuite:
    """What a suite became.

    Attributes
    ----------
    name : of the suite that was tuned, once.
    text : the file.
    """

    name: str
    text: str

    def write(self, folder: Path) -> Path:
        """Write ``<name>.toml`` so that a reader sees the whole file or the one before."""
        path = folder / f"{self.name}.toml"
        partial = path.with_suffix(".partial")
        partial.write_text(self.text, encoding="utf-8")
        partial.replace(path)
        return path


def tuned_suite(
    path: Path,
    cases: Sequence[TuningCase],
    outcomes: Sequence[Outcome],
    *,
    sampler: str,
    data_hash: str,
    command: Sequence[str],
) -> TunedSuite:
    """Return the suite of the file ``path`` with what was chosen for its cases.

    A case that was not tuned, or of which every trial failed, stays as it is; the former also keeps
    what an earlier tuning says of it.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    name = table["name"].removesuffix(SUFFIX) + SUFFIX
    budgets = dict(table.pop("tuning", {}))
    written: list[dict[str, Any]] = table.pop("case")
    by_name = {one.get("name", one["method"]): one for one in written}
    for case, outcome in zip(cases, outcomes, strict=True):
        budget = budget_of(case, outcome, sampler, data_hash)
        if chosen := budget["chosen"]:
            own = by_name[outcome.case]
            own["build"] = {**own.get("build", {}), **chosen}
        budgets[outcome.case] = budget
    metric = cases[0].spec.metrics[0]
    text = _header(command, metric, [*by_name], budgets) + lines({**table, "name": name})
    for one in written:
        text += f"\n[[case]]\n{lines(one)}"
    for case_name, budget in budgets.items():
        text += f"\n[tuning.{key(case_name)}]\n{lines(budget)}"
    return TunedSuite(name, text)


def budget_of(case: TuningCase, outcome: Outcome, sampler: str, data_hash: str) -> Table:
    """Return the table ``[tuning.<case>]``: documented in ``suites/README.md``."""
    spec, best, default = case.spec, outcome.best, outcome.default
    facts: dict[str, Any] = {
        "budget": outcome.budget,
        "trials": len(outcome.trials),
        "failed": outcome.n_failed,
        "metric": spec.metrics[0],
        "part": spec.part,
        "stops_early": case.stops_early,
        "sampler": sampler,
        "optuna": VERSION,
        "seed": spec.seed,
        "time_limit_s": spec.time_limit_s,
        "seconds": sum(one.seconds for one in outcome.trials),
        "data_hash": data_hash,
        "code_hash": code_of(spec.method),
        "commit": commit(),
    }
    if outcome.reason is not None:
        facts["reason"] = outcome.reason
    if default is not None and default.value is not None:
        facts["default_value"] = default.value
    if best is not None:
        facts |= {"best_value": best.value, "best_trial": best.number}
        if len(case.searches) > 1:
            facts["best_search"] = dict(best.search)
    chosen: Mapping[str, Any] = {} if best is None else best.values
    return {**facts, "chosen": dict(chosen), "space": plain_space(case.space)}


def _header(
    command: Sequence[str], metric: str, names: Sequence[str], budgets: Mapping[str, Table]
) -> str:
    """Return the comment above: how values were chosen, and of which cases none or fewer were."""
    tuned = [one for one in names if one in budgets and budgets[one]["trials"]]
    given = sorted({budgets[one]["budget"] for one in tuned})
    fewer = [one for one in tuned if budgets[one]["trials"] < budgets[one]["budget"]]
    told = []
    if tuned:
        told.append(
            f"Build parameters were chosen by {metric} on the validation part, from "
            f"{' or '.join(map(str, given))} trials for each case not named below; the "
            "test part was not opened. [tuning] says what each cost."
        )
    for cases, word in (
        ([one for one in names if one not in tuned], "Not tuned"),
        (fewer, "Fewer trials"),
    ):
        reasons = [
            budgets.get(one, {}).get("reason", "not among the cases asked for") for one in cases
        ]
        told += [f"{word}: {key(one)}: {why}." for one, why in zip(cases, reasons, strict=True)]
    made_by = f"# Made by `{shlex.join(command)}`.\n"
    return made_by + "".join(f"{_comment(one)}\n" for one in told)


def _comment(text: str) -> str:
    """Return a text as lines of comment, whatever white space it holds."""
    return textwrap.fill(
        text,
        100,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )

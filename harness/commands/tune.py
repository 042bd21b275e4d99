"""``matchbench tune``: parameters of a suite's cases, chosen on validation by an equal budget."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.commands.run import RUNS
from harness.commands.suites import choose
from harness.console import RunDisplay
from harness.errors import HarnessError, SuiteError
from harness.measure.device import missing_device
from harness.measure.machine import check_faiss
from harness.metrics.metric import parse_metric
from harness.report.tuning_table import render_tuning
from harness.run.inputs import load_closed_parts
from harness.run.runner import RunContext
from harness.run.tuned_suite import tuned_suite
from harness.run.tuning import Tuning
from harness.run.tuning_plan import TuningCase, default_metric, plan_tuning
from harness.store.tuning_log import TuningLog
from harness.tuning import Outcome


def main(options: argparse.Namespace) -> int:
    """Run the trials that are not recorded yet, write the tuned suite and print what was chosen.

    Return 0, or 1 where every trial of some case failed.
    """
    if options.trials < 1:
        raise SuiteError(f"--trials {options.trials}: expected at least 1, the suite's own values")
    check_faiss()
    suite, choice, faults = choose(options)
    metric = options.metric or default_metric(suite)
    cases = plan_tuning(suite, choice, metric, faults=faults, time_limit_s=options.time_limit)
    spec = cases[0].spec
    if reason := missing_device(spec.device):
        raise HarnessError(reason)
    parts = load_closed_parts(spec.dataset, spec.dataset_params, spec.split, options.data_root)
    if (k := parse_metric(metric).k) > parts.train.n_items:
        raise SuiteError(
            f"--metric {metric}: k = {k} exceeds the catalogue of {parts.train.n_items} items"
        )
    folder: Path = options.out or RUNS / suite.name
    log = TuningLog(folder)
    context = RunContext(folder, options.data_root, parts.protocol, parts.data_hash)
    with log.opened() as earlier:
        if log.set_aside:
            _say(f"the last line of {log.path} was cut; it now lies in {log.set_aside}")
        tuning = Tuning(cases, options.trials, options.sampler, context, log, RunDisplay())
        if done := tuning.take_up(earlier):
            _say(f"{done} trials of this tuning are already recorded in {log.path}")
        outcomes = tuning.run()
    tuned = tuned_suite(
        Path(suite.path),
        cases,
        outcomes,
        sampler=options.sampler,
        data_hash=parts.data_hash,
        command=_command(options, metric, spec.seed),
    )
    path = tuned.write(folder)
    several = {
        outcome.case
        for case, outcome in zip(cases, outcomes, strict=True)
        if len(case.searches) > 1
    }
    print(render_tuning(outcomes, metric, _caption(cases, outcomes, options.trials), several))
    print(f"\nsuite: {path}\ntrials: {log.path}")
    return 1 if any(one.trials and one.best is None for one in outcomes) else 0


def _caption(cases: Sequence[TuningCase], outcomes: Sequence[Outcome], budget: int) -> str:
    spec = cases[0].spec
    seconds = sum(trial.seconds for one in outcomes for trial in one.trials)
    early = [one.spec.case for one in cases if one.stops_early and one.space]
    budget_line = (
        f"{spec.suite}: {budget} trials for each case, {spec.time_limit_s:g} s each at most, "
        f"seed {spec.seed}; {seconds:.0f} s in all"
    )
    lines = [
        budget_line,
        "values: means over validation queries, by which the choice was made; test was not opened",
    ]
    if early:
        lines.append(f"training stops early on the same validation queries: {', '.join(early)}")
    return "\n".join(lines)


def _command(options: argparse.Namespace, metric: str, seed: int) -> list[str]:
    """Return the command that makes the same suite from the same code, data and machine."""
    words = ["matchbench", "tune", options.suite, "--trials", str(options.trials)]
    words += ["--metric", metric, "--seed", str(seed), "--sampler", options.sampler]
    words += [] if options.methods is None else ["--methods", options.methods]
    words += [] if options.device is None else ["--device", options.device]
    if options.time_limit is not None:
        words += ["--time-limit", f"{options.time_limit:g}"]
    return words


def _say(line: str) -> None:
    print(line, file=sys.stderr)

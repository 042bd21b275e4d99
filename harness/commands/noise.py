"""``matchbench noise``: A/A pairs of a suite's cases, the same work measured again and again."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.commands.run import RUNS
from harness.commands.suites import open_suite
from harness.compare.noise import noise_floor
from harness.console import RunDisplay
from harness.errors import SuiteError
from harness.measure.machine import check_faiss
from harness.record import latest_attempts
from harness.report.noise_table import render_noise
from harness.run.inputs import load_parts
from harness.run.plan import check_against_data
from harness.run.runner import RunContext, pending_trials, run_trials
from harness.run.trial_spec import TrialSpec
from harness.store.journal import Journal
from harness.store.noise_file import write_floor

FOLDER = "noise"  # of the records, within the results folder


def main(options: argparse.Namespace) -> int:
    """Measure the pairs, write ``noise.json`` and print it; 1 when a trial did not end well."""
    if options.pairs < 2:
        raise SuiteError(f"--pairs {options.pairs}: a spread needs at least 2 pairs")
    check_faiss()
    suite, planned = open_suite(options)
    parts = load_parts(suite.dataset, planned[0].dataset_params, suite.split, options.data_root)
    check_against_data(suite, planned, parts)
    folder: Path = options.out or RUNS / suite.name
    trials = repeated(planned, options.pairs)
    journal = Journal(folder / FOLDER)
    context = RunContext(
        journal.folder, options.data_root, parts.protocol, parts.data_hash, options.force
    )
    with journal.opened() as records:
        pending = trials
        if not options.force:
            pending = with_partners(trials, pending_trials(trials, records, parts.data_hash))
        if done := len(trials) - len(pending):
            _say(f"{done} of {len(trials)} measurements are already recorded in {journal.folder}")
        run_trials(pending, context, journal, RunDisplay())
        standing = latest_attempts([*records, *journal.added])
    wanted = [one for trial in trials for one in standing.get(trial.trial_id, ())]
    floor = noise_floor(wanted, options.pairs)
    path = write_floor(folder, floor)
    print(render_noise(floor, options.form))
    if options.form == "text":
        print(f"\nnoise floor: {path}\nrecords: {journal.path}")
    return 1 if any(one.status not in ("ok", "skipped") for one in wanted) else 0


def repeated(planned: Sequence[TrialSpec], n_pairs: int) -> list[TrialSpec]:
    """Return 2 ``n_pairs`` rounds over the trials of the first seed, one round after another.

    ABC ABC: the halves of a pair stand one round apart, so what passes over the machine meets all
    cases alike. Other seeds are other work of the same cost; one is enough.
    """
    seed = planned[0].seed
    once = [one for one in planned if one.repeat == 0 and one.seed == seed]
    rounds = range(2 * n_pairs)
    return [
        dataclasses.replace(one, repeat=number, pairs=n_pairs) for number in rounds for one in once
    ]


def with_partners(trials: Sequence[TrialSpec], pending: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Return the pending trials with the other halves of their pairs, in the order of ``trials``.

    A half that an earlier, interrupted call measured would be of another hour.
    """
    pairs = {_pair(one) for one in pending}
    return [one for one in trials if _pair(one) in pairs]


def _pair(spec: TrialSpec) -> str:
    return dataclasses.replace(spec, repeat=spec.repeat // 2).trial_id


def _say(line: str) -> None:
    print(line, file=sys.stderr)

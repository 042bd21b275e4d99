"""``matchbench run``: a suite's trials into a results folder, then the table."""

import argparse
import sys
from pathlib import Path

from harness.commands.suites import open_suite
from harness.commands.table import floor_for, print_tables
from harness.compare.noise import MAX_NOISE, noise_of
from harness.console import RunDisplay
from harness.measure.machine import check_faiss
from harness.record import latest_attempts
from harness.run.inputs import load_parts
from harness.run.plan import check_against_data
from harness.run.runner import RunContext, pending_trials, run_trials
from harness.store.journal import Journal

RUNS = Path("results", "runs")


def main(options: argparse.Namespace) -> int:
    """Run what is not recorded yet; 0 when every trial of the suite ended well, else 1.

    With ``--strict`` a row measured on a busy machine, or whose noise floor is too high, is no good
    end either.
    """
    check_faiss()
    suite, trials = open_suite(options)
    parts = load_parts(suite.dataset, trials[0].dataset_params, suite.split, options.data_root)
    check_against_data(suite, trials, parts)
    folder: Path = options.out or RUNS / suite.name
    floor = floor_for(options.noise, folder)
    journal = Journal(folder)
    context = RunContext(folder, options.data_root, parts.protocol, parts.data_hash, options.force)
    with journal.opened() as records:
        if journal.set_aside:
            _say(f"the last line of {journal.path} was cut; it now lies in {journal.set_aside}")
        pending = list(trials)
        if not options.force:
            pending = pending_trials(trials, records, parts.data_hash)
        if done := len(trials) - len(pending):
            _say(f"{done} of {len(trials)} trials are already recorded in {folder}")
        run_trials(pending, context, journal, RunDisplay())
        standing = latest_attempts([*records, *journal.added])
    wanted = [one for trial in trials for one in standing.get(trial.trial_id, ())]
    print_tables(wanted, "text", floor)
    print(f"\nrecords: {journal.path}\nper query: {folder / 'per_query'}")
    n_bad = len({one.trial_id for one in wanted if one.status not in ("ok", "skipped")})
    if n_bad:
        _say(f"{n_bad} of {len(trials)} trials did not end well; --force runs all again")
    busy = [one for one in wanted if one.isolation.get("busy")]
    if busy:
        _say(f"{len(busy)} of {len(wanted)} rows were measured on a busy machine, for instance:")
        _say(f"  {busy[0].case}: {'; '.join(busy[0].warnings)}")
    noisy = [one for one in noise_of(wanted, floor) if one is not None and one > MAX_NOISE]
    if noisy:
        _say(f"{len(noisy)} of {len(wanted)} rows have an A/A spread above ±{MAX_NOISE:.0%}")
    return 1 if n_bad or (options.strict and (busy or noisy)) else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)

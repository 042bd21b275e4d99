"""``matchbench scale``: a suite at growing catalogue sizes; tables, exponents, data for a plot."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from harness.commands.run import RUNS
from harness.commands.suites import choose
from harness.compare.scaling import MEASURED, exponents, scaling_frame
from harness.console import RunDisplay
from harness.errors import SuiteError
from harness.measure.machine import check_faiss
from harness.measure.room import memory_room
from harness.metrics.metric import parse_metric
from harness.record import Status
from harness.report.scaling import render_scaling, scaling_caption, scaling_csv
from harness.run.inputs import load_parts
from harness.run.plan import check_k
from harness.run.runner import RunContext
from harness.run.series import plan_sizes, run_series
from harness.run.suite import Suite
from harness.store.journal import Journal

DATA = "scale.csv"


def main(options: argparse.Namespace) -> int:
    """Run the series that are not recorded yet; 1 when a trial failed or is invalid, else 0."""
    check_faiss()
    suite, choice, faults = choose(options)
    suite = dataclasses.replace(suite, **_limits(options))
    plans = plan_sizes(suite, choice, options.sizes, faults)
    recall = _agreement(suite)
    folder: Path = options.out or RUNS / suite.name

    def context_of(size: int) -> RunContext:
        trials = plans[size]
        params = trials[0].dataset_params
        with memory_room(trials[0].memory_limit_bytes):
            parts = load_parts(suite.dataset, params, suite.split, options.data_root)
        check_k(suite, trials, parts)
        return RunContext(folder, options.data_root, parts.protocol, parts.data_hash, options.force)

    journal = Journal(folder)
    with journal.opened() as records:
        if journal.set_aside:
            print(f"a cut line now lies in {journal.set_aside}", file=sys.stderr)
        standing = run_series(
            plans, context_of, records, journal, RunDisplay(), force=options.force
        )
    sizes = {one.trial_id: size for size, trials in plans.items() for one in trials}
    frame = scaling_frame(standing, sizes)
    (folder / DATA).write_text(scaling_csv(frame) + "\n", encoding="utf-8")
    laws = exponents(frame, [*MEASURED, recall])
    print(
        render_scaling(frame, laws, recall, options.form, scaling_caption(standing, suite.question))
    )
    if options.form == "text":
        print(f"\nrecords: {journal.path}\ndata for a plot: {folder / DATA}")
    return 1 if any(one.status in (Status.FAILED, Status.INVALID) for one in standing) else 0


def _limits(options: argparse.Namespace) -> dict[str, Any]:
    limits = {"time_limit_s": options.limit_s, "memory_limit_mb": options.memory_limit_mb}
    for name, value in limits.items():
        if value is not None and not 0 < value < float("inf"):
            raise SuiteError(f"{name} = {value} must be above 0 and finite")
    return {name: value for name, value in limits.items() if value is not None}


def _agreement(suite: Suite) -> str:
    """Return the suite's metric of agreement with exact search, which is shown against n."""
    for name in suite.metrics:
        if parse_metric(name).needs_exact:
            return name
    raise SuiteError(
        f"{suite.path}: metrics = {list(suite.metrics)} has no ann_recall@k, which `scale` shows"
    )

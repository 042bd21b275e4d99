"""``matchbench baseline update``: the one way to change what the gate holds code against."""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.baseline import Baseline, Change, Spread, by_name
from harness.commands.gate import BASELINES, RUNS, baselines, exact_cases, first_trials, other_seeds
from harness.commands.shipped import suite_folders
from harness.errors import RecordError, SuiteError
from harness.facts import Taken
from harness.gate.accuracy import compare_accuracy
from harness.gate.exact import compare_exact
from harness.gate.verdict import Verdict
from harness.measure.cpu_features import arithmetic
from harness.measure.machine import commit
from harness.run.facts import take_facts
from harness.run.suite import Suite, find_suite, read_suite
from harness.store.baseline import FACTS, read_baseline, write_baseline

LEAST_REASON = 10  # letters: a word is no reason
N_SEEDS = 5


def main(options: argparse.Namespace) -> int:
    """Take the facts of suites anew and write them as their baselines; say what became other."""
    reason = options.reason.strip()
    if len(reason) < LEAST_REASON:
        raise SuiteError(f"--reason {reason!r}: say in a sentence why results may change")
    names = options.suites or baselines()
    if not names:
        raise SuiteError(f"{BASELINES}: no baseline yet; name the suites")
    for name in names:
        suite = read_suite(find_suite(name, suite_folders()))
        print(update(suite, reason, options.out or RUNS, options.data_root))
    return 0


def update(suite: Suite, reason: str, out: Path, data_root: Path | None) -> str:
    """Write the baseline of one suite and return a line on it.

    Raises
    ------
    RecordError
        Some point has no valid answers: no baseline is made of faults.
    """
    trials, exact = first_trials(suite), exact_cases(suite)
    print(f"{suite.name}: taking facts", file=sys.stderr)
    taken = take_facts(trials, exact, out / suite.name, data_root)
    faults = [f"{one.facts.name}: {one.facts.fault}" for one in taken if one.facts.fault]
    if faults:
        raise RecordError(f"{suite.name}: no baseline is made of faults: {'; '.join(faults)}")
    further = other_seeds(trials, exact, N_SEEDS - 1)
    others = take_facts(further, exact, out / suite.name, data_root) if further else []
    folder, here = BASELINES / suite.name, arithmetic()
    old = read_baseline(folder) if (folder / FACTS).exists() else None
    changed = _changed(old, taken, here)
    change = Change(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        reason=reason,
        changed=changed,
    )
    baseline = Baseline(
        suite=suite.name,
        arithmetic=here,
        history=(*(() if old is None else old.history), change),
        points=by_name(taken),
        spreads=spreads(taken, others),
    )
    write_baseline(folder, baseline)
    return f"{folder / FACTS}: {len(taken)} points, {len(changed)} changed: {', '.join(changed)}"


def spreads(taken: Sequence[Taken], others: Sequence[Taken]) -> Mapping[str, Spread]:
    """Return what the points come to with other seeds, of those that were run with others."""
    found = {}
    for one in taken:
        group = [one, *(other for other in others if other.facts.name == one.facts.name)]
        if len(group) < 2:
            continue
        facts = [each.facts for each in group]
        counted = [each.counted() for each in facts]
        found[one.facts.name] = Spread(
            n_seeds=len(group),
            deviations={
                name: statistics.stdev(each.metrics[name] for each in facts)
                for name in facts[0].metrics
            },
            steady=tuple(
                name for name in counted[0] if len({each.get(name) for each in counted}) == 1
            ),
        )
    return found


def _changed(
    old: Baseline | None, taken: Sequence[Taken], here: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the points of which anything is other than before."""
    if old is None:
        return tuple(one.facts.name for one in taken)
    findings = compare_exact(old, taken, here) + compare_accuracy(old, taken, here)
    still = (Verdict.SAME, Verdict.NOT_COMPARABLE)
    return tuple(dict.fromkeys(one.benchmark for one in findings if one.verdict not in still))

"""``matchbench gate``: did a change make anything worse? Facts, accuracy, and speed on request."""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import harness
from harness.baseline import Baseline
from harness.commands.shipped import suite_folders
from harness.errors import SuiteError
from harness.facts import Taken
from harness.gate.accuracy import compare_accuracy
from harness.gate.exact import compare_exact, other_arithmetic
from harness.gate.revisions import prepare, present
from harness.gate.speed import FEWEST_AA, FEWEST_PAIRS
from harness.gate.summary import as_json, markdown
from harness.gate.timing import Plan, compare_speed
from harness.gate.verdict import Finding, exit_of
from harness.measure.cpu_features import arithmetic
from harness.run.facts import take_facts
from harness.run.plan import plan_trials
from harness.run.suite import Suite, find_suite, read_suite
from harness.run.trial_spec import TrialSpec
from harness.store.baseline import FACTS, read_baseline

ROOT = Path(harness.__file__).resolve().parent.parent
BASELINES = ROOT / "results" / "baselines"
RUNS = Path("results", "runs", "gate")


def main(options: argparse.Namespace) -> int:
    """Judge lanes 1 and 2 against the committed baselines, lane 3 against a revision."""
    lanes = lanes_of(options)
    findings: list[Finding] = []
    notes: list[str] = []
    if {1, 2} & set(lanes):
        for name in options.suites or baselines():
            found, note = judge_suite(name, lanes, options.out or RUNS, options.data_root)
            findings += found
            notes.append(note)
    if 3 in lanes:
        found, note = judge_speed(options)
        findings += found
        notes.append(note)
    replay = shlex.join(["matchbench", *sys.argv[1:]]) if options.replay is None else options.replay
    text = markdown(findings, notes, replay)
    print(text)
    if options.summary is not None:
        with options.summary.open("a", encoding="utf-8") as file:  # CI adds to what is there
            file.write(text)
    if options.json is not None:
        options.json.write_text(as_json(findings, replay), encoding="utf-8")
    return int(exit_of(findings))


def lanes_of(options: argparse.Namespace) -> Sequence[int]:
    """Return the lanes asked for: 1 and 2, and 3 with ``--against``.

    Raises
    ------
    SuiteError
        Lane 3 without a revision, too few pairs, or no suite has a baseline.
    """
    lanes = options.lane or ([1, 2] if options.against is None else [1, 2, 3])
    if 3 in lanes and options.against is None:
        raise SuiteError("--lane 3 needs --against REV: speed is never compared with a stored time")
    if 3 in lanes and (options.pairs < FEWEST_PAIRS or options.aa_pairs < FEWEST_AA):
        raise SuiteError(
            f"--pairs {options.pairs} --aa-pairs {options.aa_pairs}: expected at least "
            f"{FEWEST_PAIRS} and {FEWEST_AA}"
        )
    if {1, 2} & set(lanes) and not (options.suites or baselines()):
        raise SuiteError(f"{BASELINES}: no baseline; `matchbench baseline update SUITE` makes one")
    return list(lanes)


def baselines() -> list[str]:
    """Return the suites that have a committed baseline."""
    return sorted(one.parent.name for one in BASELINES.glob(f"*/{FACTS}"))


def judge_suite(
    name: str, lanes: Sequence[int], out: Path, data_root: Path | None
) -> tuple[list[Finding], str]:
    """Return the findings of lanes 1 and 2, and a note on what they were held against."""
    suite = read_suite(find_suite(name, suite_folders()))
    baseline = read_baseline(BASELINES / suite.name)
    _say(f"{suite.name}: taking the facts of {len(suite.cases)} cases")
    taken = take_facts(first_trials(suite), exact_cases(suite), out / suite.name, data_root)
    here = arithmetic()
    findings = compare_exact(baseline, taken, here) if 1 in lanes else []
    findings += compare_accuracy(baseline, taken, here) if 2 in lanes else []
    return findings, note_of(baseline, taken)


def note_of(baseline: Baseline, taken: Sequence[Taken]) -> str:
    """Return what a suite was held against, and where."""
    last = baseline.history[-1]
    whose = "other" if other_arithmetic(baseline.arithmetic, arithmetic()) else "the same"
    return (
        f"{baseline.suite}: {len(taken)} points against the baseline of {last.at[:10]} "
        f"({last.reason}); {whose} processor and libraries"
    )


def judge_speed(options: argparse.Namespace) -> tuple[list[Finding], str]:
    """Return the findings of lane 3."""
    base = prepare(ROOT, options.against)
    head = prepare(ROOT, options.head or present(ROOT))
    plan = Plan(options.pairs, options.aa_pairs, options.benchmarks)
    findings = compare_speed(base, head, plan, _say)
    other = "" if base.python == head.python else "; each in an environment of its own"
    return findings, f"speed: {head.commit[:12]} against {base.commit[:12]}{other}"


def first_trials(suite: Suite) -> list[TrialSpec]:
    """Return the trials whose facts are taken: those of the suite's first seed, once each."""
    planned = plan_trials(suite)
    return [one for one in planned if one.seed == planned[0].seed and one.repeat == 0]


def exact_cases(suite: Suite) -> list[str]:
    """Return the cases whose lists are the same on every machine."""
    return list(suite.gate.get("exact", []))


def other_seeds(trials: Sequence[TrialSpec], exact: Sequence[str], n: int) -> list[TrialSpec]:
    """Return the trials that are not exact with ``n`` further seeds."""
    return [
        dataclasses.replace(one, seed=one.seed + 1000 + number)
        for number in range(n)
        for one in trials
        if one.case not in exact
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

"""``matchbench gate``: did a change make anything worse? Facts, accuracy, and speed on request."""

import argparse
import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import harness
from harness.baseline import Baseline
from harness.commands.shipped import suite_folders
from harness.errors import SuiteError
from harness.facts import Taken
from harness.gate.accuracy import compare_accuracy
from harness.gate.exact import compare_exact, other_arithmetic
from harness.gate.revisions import commit_of, prepare, present
from harness.gate.speed import FEWEST_AA, FEWEST_PAIRS
from harness.gate.summary import Account, as_json, markdown
from harness.gate.timing import Plan, compare_speed
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
    """Judge lanes 1 and 2 against the committed baselines, lane 3 against a revision.

    Whatever ends it early, the account says so and holds what was found until then.
    """
    account = Account()
    replay = shlex.join(["matchbench", *sys.argv[1:]]) if options.replay is None else options.replay
    try:
        with _named(account, ""):
            lanes = lanes_of(options)
            base, head = revisions_of(options) if 3 in lanes else ("", "")
            facts = sorted({1, 2} & set(lanes))
            held = f"lane{'s' * (len(facts) > 1)} {' and '.join(map(str, facts))}"
        for name in (options.suites or baselines()) if facts else ():
            with _named(account, f"{Path(name).stem}, {held}: "):
                judge_suite(name, lanes, options, account)
        if 3 in lanes:
            with _named(account, "lane 3: "):
                judge_speed(base, head, options, account)
    finally:
        tell(account, replay, options)
    return int(account.status)


@contextlib.contextmanager
def _named(account: Account, where: str) -> Iterator[None]:
    """Put what ends the gate here into its account."""
    try:
        yield
    except KeyboardInterrupt:
        account.fault = f"{where}interrupted"
        raise
    except BaseException as error:
        account.fault = f"{where}{type(error).__name__}: {error}"
        raise


def tell(account: Account, replay: str, options: argparse.Namespace) -> None:
    """Print the account, and write it where it was asked for."""
    text = markdown(account, replay)
    print(text)
    if options.summary is not None:
        with options.summary.open("a", encoding="utf-8") as file:  # CI adds to what is there
            file.write(text)
    if options.json is not None:
        options.json.write_text(as_json(account, replay), encoding="utf-8")


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


def revisions_of(options: argparse.Namespace) -> tuple[str, str]:
    """Return the commits of base and head, before anything is run.

    Raises
    ------
    HarnessError
        There is no such revision.
    """
    return commit_of(ROOT, options.against), commit_of(ROOT, options.head or present(ROOT))


def judge_suite(
    name: str, lanes: Sequence[int], options: argparse.Namespace, account: Account
) -> None:
    """Add the findings of lanes 1 and 2 to the account, and what they were held against."""
    suite = read_suite(find_suite(name, suite_folders()))
    baseline = read_baseline(BASELINES / suite.name)
    _say(f"{suite.name}: taking the facts of {len(suite.cases)} cases")
    out = (options.out or RUNS) / suite.name
    taken = take_facts(first_trials(suite), exact_cases(suite), out, options.data_root)
    here = arithmetic()
    account.notes.append(note_of(baseline, taken))
    if 1 in lanes:
        account.findings += compare_exact(baseline, taken, here)
    if 2 in lanes:
        account.findings += compare_accuracy(baseline, taken, here)


def note_of(baseline: Baseline, taken: Sequence[Taken]) -> str:
    """Return what a suite was held against, and where."""
    last = baseline.history[-1]
    whose = "other" if other_arithmetic(baseline.arithmetic, arithmetic()) else "the same"
    return (
        f"{baseline.suite}: {len(taken)} points against the baseline of {last.at[:10]} "
        f"({last.reason}); {whose} processor and libraries"
    )


def judge_speed(base: str, head: str, options: argparse.Namespace, account: Account) -> None:
    """Add the findings of lane 3 to the account, each as soon as it stands."""
    old, new = prepare(ROOT, base), prepare(ROOT, head)
    other = "" if old.python == new.python else "; each in an environment of its own"
    account.notes.append(f"speed: {new.commit[:12]} against {old.commit[:12]}{other}")
    plan = Plan(options.pairs, options.aa_pairs, options.benchmarks)
    for finding in compare_speed(old, new, plan, _say):
        account.findings.append(finding)


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

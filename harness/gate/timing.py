"""Lane 3's processes: benchmarks of two revisions, in turns, each time in a fresh process."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.gate import timing_process
from harness.gate.revisions import Revision
from harness.gate.speed import Speed, confirmed, judge, pairs_of, turns
from harness.gate.verdict import Finding, Verdict

LANE = 3
SUITE = "suites/micro"
SINGLE = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
TIME_LIMIT_S = 600.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: pairs, A/A pairs, and of which benchmarks (a regular expression)."""

    n_pairs: int
    n_aa: int
    pattern: str


def compare_speed(base: Revision, head: Revision, plan: Plan, say: Say) -> list[Finding]:
    """Return a finding for each benchmark of either revision.

    The code of the benchmarks is head's for both, so that a ratio is of the code they call. A
    benchmark that only one revision has is not timed. A change that is found is looked for once
    more, and stands only if it is found again.
    """
    names = {one: _ask(one, one, plan.pattern, list_only=True)["names"] for one in (base, head)}
    findings = [
        _finding(one, Verdict.MISSING, f"in {base.commit[:12]}, gone in {head.commit[:12]}")
        for one in names[base]
        if one not in names[head]
    ]
    findings += [
        _finding(one, Verdict.NEW, f"not in {base.commit[:12]}")
        for one in names[head]
        if one not in names[base]
    ]
    shared = [one for one in names[head] if one in names[base]]
    if not shared:
        return findings
    found = measure(base, head, plan, shared, say)
    changed = [name for name, one in found.items() if isinstance(one, Speed) and _is_change(one)]
    again: Mapping[str, Speed | Finding] = {}
    if changed:
        say(f"once more: {', '.join(changed)}")
        again = measure(base, head, plan, changed, say)
    return findings + [_judged(name, one, again.get(name)) for name, one in found.items()]


def measure(
    base: Revision, head: Revision, plan: Plan, names: Sequence[str], say: Say
) -> dict[str, "Speed | Finding"]:
    """Return for each benchmark what its pairs say, or why there are none."""
    pattern = "^(" + "|".join(one.replace(".", r"\.") for one in names) + ")$"
    sides = {"A": base, "B": head}
    for one in sides.values():
        _ask(one, head, pattern)  # compiles what is not compiled yet
    order, answers = turns(plan.n_pairs, plan.n_aa), []
    for number, turn in enumerate(order, 1):
        say(f"pair {number} of {len(order)}: {turn}")
        answers.append([_ask(sides[side], head, pattern) for side in turn])
    found: dict[str, Speed | Finding] = {}
    for name in names:
        if fault := _fault(name, order, answers):
            found[name] = fault
            continue
        seconds = [(a["seconds"][name], b["seconds"][name]) for a, b in answers]
        found[name] = judge(*pairs_of(order, seconds))
    return found


def _judged(name: str, first: "Speed | Finding", again: "Speed | Finding | None") -> Finding:
    if isinstance(first, Finding):
        return first
    if not isinstance(again, Speed):
        return _finding(name, first.verdict if again is None else Verdict.INCONCLUSIVE, str(first))
    return _finding(name, confirmed(first, again), f"{first}; once more: {again}")


def _is_change(one: Speed) -> bool:
    return one.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)


def _fault(
    name: str, order: Sequence[str], answers: Sequence[Sequence[Mapping[str, Any]]]
) -> Finding | None:
    """Return what an error makes of a benchmark: head's is a regression, base's says nothing."""
    for side, verdict in (("B", Verdict.REGRESSED), ("A", Verdict.INCONCLUSIVE)):
        for turn, pair in zip(order, answers, strict=True):
            for one, answer in zip(turn, pair, strict=True):
                if one == side and name in answer["errors"]:
                    whose = "head" if side == "B" else "base"
                    return _finding(name, verdict, f"{whose}: {answer['errors'][name]}")
    return None


def _ask(
    one: Revision, benchmarks: Revision, pattern: str, *, list_only: bool = False
) -> dict[str, Any]:
    """Return the answer of a fresh process that runs the code of ``one``.

    Raises
    ------
    HarnessError
        It failed, took too long, or ran other code.
    """
    folder = benchmarks.folder / SUITE
    if not (folder / timing_process.PACKAGE).is_dir():
        return {"names": []}
    command = [one.python, "-P", timing_process.__file__, str(folder), pattern]
    variables = {**os.environ, **dict.fromkeys(SINGLE, "1"), "PYTHONPATH": str(one.folder)}
    try:
        done = subprocess.run(
            command + (["--list"] if list_only else []),
            capture_output=True,
            text=True,
            env=variables,
            cwd=one.folder,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"benchmarks of {one.commit[:12]} took over {TIME_LIMIT_S} s") from error
    last = done.stderr.strip().splitlines()[-1:]
    if done.returncode:
        raise HarnessError(f"benchmarks of {one.commit[:12]} cannot run: {' '.join(last)}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if Path(answer["code"]).resolve().parent.parent != one.folder.resolve():
        raise HarnessError(f"benchmarks ran the code of {answer['code']}, not of {one.folder}")
    return answer


def _finding(name: str, verdict: Verdict, text: str) -> Finding:
    return Finding(LANE, SUITE, name, "seconds", verdict, text)

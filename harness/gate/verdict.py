"""Verdicts of the gate, and the exit status that they come to together."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """What one comparison came to."""

    SAME = "same"  # to the last bit
    UNCHANGED = "unchanged"  # within what was measured
    IMPROVED = "improved"
    WARNING = "warning"  # worth a look, and no fault
    NOT_COMPARABLE = "not comparable here"  # lane 2 judges it, where it runs
    INCONCLUSIVE = "inconclusive"
    REGRESSED = "regressed"
    NEW = "new"
    MISSING = "missing"


class Exit(IntEnum):
    """Exit status of ``matchbench gate``."""

    PASS = 0
    REGRESSION = 1
    INCONCLUSIVE = 2
    FAULT = 3  # of the harness or of what it was given
    OTHER_BENCHMARKS = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the gate's account: a lane's verdict on one fact of one benchmark."""

    lane: int
    suite: str
    benchmark: str
    fact: str
    verdict: Verdict
    text: str = ""


# What decides first: a slowdown found beside a benchmark that is gone is a slowdown.
_ORDER = (
    ((Verdict.REGRESSED,), Exit.REGRESSION),
    ((Verdict.NEW, Verdict.MISSING), Exit.OTHER_BENCHMARKS),
    ((Verdict.INCONCLUSIVE,), Exit.INCONCLUSIVE),
)


def exit_of(findings: Sequence[Finding]) -> Exit:
    """Return the exit status of all findings; nothing judged is inconclusive, never a pass."""
    seen = {one.verdict for one in findings}
    for verdicts, status in _ORDER:
        if seen & set(verdicts):
            return status
    judged = seen & {Verdict.SAME, Verdict.UNCHANGED, Verdict.IMPROVED, Verdict.WARNING}
    return Exit.PASS if judged else Exit.INCONCLUSIVE

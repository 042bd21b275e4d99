"""Validity: from the facts of a timed pass to what makes its numbers INVALID, and what to know."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.measure.profile import Profile
from harness.measure.repeats import LIMIT
from harness.measure.timing import Timing

CLOCK_STEPS = 100  # a call that lasts fewer steps of the clock is read too coarsely
SAMPLE_S = 0.01  # a rate must come from more than this
LEAST_DIFFERENT = 130  # queries, as p95 needs of sends; a few sent again and again are less
BATCH_SAMPLE_S = 0.1  # and from more than this where calls are batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one timed pass.

    Attributes
    ----------
    timing, profile : the pass, and the least that it should have held.
    list_faults : what is wrong with the answers that were scored, in words.
    n_checked, n_differ : answers given while timed that were compared with the scored ones, and
        those that differ beyond ties.
    timed_faults : what is wrong with the answers given while timed, in words.
    repeated_ratio : of `harness.measure.repeats`, the highest of this trial so far; None: unknown.
    n_early_errors, early_error : calls that raised before the pass, and the first of them.
    step_s : the smallest step of the clock, seconds.
    changes : what changed in the environment while it was measured in, in words: thread pools,
        affinity, a GPU that was throttled.
    """

    timing: Timing
    profile: Profile
    list_faults: Sequence[str] = ()
    n_checked: int
    n_differ: int = 0
    timed_faults: Sequence[str] = ()
    repeated_ratio: float | None = None
    n_early_errors: int = 0
    early_error: str | None = None
    step_s: float = 0.0
    changes: Sequence[str] = ()


def reasons_against(facts: Facts) -> list[str]:
    """Return what makes the numbers INVALID, nothing when they are valid."""
    timing = facts.timing
    reasons = [*facts.list_faults]
    if facts.n_differ:
        compared = f"{facts.n_differ} of {facts.n_checked}"
        reasons.append(f"{compared} timed answers differ from the scored")
    if timing.n_timed > timing.n_errors and not facts.n_checked:
        reasons.append("no timed answer was compared with the scored")
    reasons += [f"while timed: {fault}" for fault in facts.timed_faults]
    if timing.n_errors:
        share = f"{timing.n_errors} of {timing.n_timed}"
        reasons.append(f"{share} timed queries raised an error, the first: {timing.first_error}")
    if n_early := timing.n_untimed_errors + facts.n_early_errors:
        first = facts.early_error or timing.first_error
        reasons.append(f"{n_early} queries outside the timed pass raised an error: {first}")
    reasons += _too_little(timing, facts.profile)
    if facts.repeated_ratio is not None and facts.repeated_ratio > LIMIT:
        times = f"{facts.repeated_ratio:.2f} times as fast"
        reasons.append(f"a repeated query is {times} as a new one, at most {LIMIT:g} is allowed")
    return reasons + [f"changed during the pass: {change}" for change in facts.changes]


def warnings_of(facts: Facts) -> list[str]:
    """Return what a reader should know and what leaves the numbers valid."""
    timing = facts.timing
    warnings = list(timing.warnings)
    samples = timing.latencies_s if timing.calls_s is None else timing.calls_s
    if samples is not None and samples.size:
        typical_s = float(np.median(samples))
        if typical_s < CLOCK_STEPS * facts.step_s:
            step = f"fewer than {CLOCK_STEPS} steps of the clock ({facts.step_s:.2g} s)"
            warnings.append(f"a typical call lasts {typical_s:.2g} s, {step}")
    least_s = SAMPLE_S if timing.latencies_s is not None else BATCH_SAMPLE_S
    if timing.n_timed and timing.total_s < least_s:
        warnings.append(f"the rate comes from {timing.total_s:.2g} s, less than {least_s:g} s")
    n_different = np.unique(timing.rows).size
    if timing.latencies_s is not None and n_different < LEAST_DIFFERENT <= timing.n_timed:
        warnings.append(f"{n_different} different queries were sent: percentiles are of these few")
    if facts.repeated_ratio is None:
        warnings.append("too few test queries to tell whether repeated ones are remembered")
    return warnings


def _too_little(timing: Timing, profile: Profile) -> list[str]:
    """Say how a pass falls short of its profile; where no rate was sustained there is no pass."""
    if timing.max_qps == 0:
        return []
    reasons = []
    if timing.overloaded:
        reasons.append(
            f"overloaded: ended after {timing.n_timed} queries, since at"
            f" {timing.offered_qps:g} queries/s they waited longer and longer"
        )
    elif timing.fell_behind is not None:
        reasons.append(timing.fell_behind)
    if timing.n_timed < profile.min_queries:
        needed = f"{profile.min_queries} are needed"
        reasons.append(f"{timing.n_timed} queries were timed where {needed}")
    if timing.total_s < profile.min_s:
        reasons.append(f"{timing.total_s:.3g} s were timed where {profile.min_s:g} s are needed")
    return reasons

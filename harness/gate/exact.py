"""Lane 1: facts that are the same or are not, held against the committed baseline."""

from collections.abc import Iterator, Mapping, Sequence

from harness.baseline import Baseline, by_name
from harness.compare.libraries import differing
from harness.facts import Facts, Taken
from harness.gate.verdict import Finding, Verdict

LANE = 1


def compare_exact(
    baseline: Baseline, taken: Sequence[Taken], arithmetic: Mapping[str, str]
) -> list[Finding]:
    """Return a finding for each point's lists and for each thing it counts.

    Lists, bytes and work of a point that the suite calls exact are compared on every machine, and
    so is what was the same for every seed. All else follows from sums whose last bits depend on
    processor and libraries: it is compared where these are the baseline's, and elsewhere called
    not comparable, for lane 2 to judge. A library that one side lacks did no work there, so an
    optional one decides nothing then.
    """
    differing = other_arithmetic(baseline.arithmetic, arithmetic)
    here, findings = by_name(taken), []
    for name, point in baseline.points.items():
        if name not in here:
            text = "in the baseline, not among what ran"
            findings.append(_finding(baseline, name, "point", Verdict.MISSING, text))
            continue
        findings += _point(baseline, point.facts, here[name].facts, differing)
    for name in here:
        if name not in baseline.points:
            findings.append(_finding(baseline, name, "point", Verdict.NEW, "not in the baseline"))
    return findings


def other_arithmetic(base: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Return what makes floating-point results of two machines differ, in words."""
    return [
        f"{name} {base.get(name, 'not set')}, here {here.get(name, 'not set')}"
        if name != "instructions"
        else "other instruction sets"
        for name in differing(base, here)
    ]


def _point(
    baseline: Baseline, base: Facts, here: Facts, differing: Sequence[str]
) -> Iterator[Finding]:
    def say(fact: str, verdict: Verdict, text: str = "") -> Finding:
        return _finding(baseline, base.name, fact, verdict, text)

    if here.fault != base.fault:
        was = "" if base.fault is None else f"; it was: {base.fault}"
        verdict = Verdict.REGRESSED if here.fault else Verdict.WARNING
        yield say("answers", verdict, f"{here.fault or 'no fault any more'}{was}")
    if not here.lists:
        return
    if reason := _other_question(base, here):
        yield say("lists", Verdict.INCONCLUSIVE, reason)
        return
    is_exact = base.exact or not differing
    spread = baseline.spreads.get(base.name)
    steady = () if spread is None else spread.steady
    if not is_exact:
        yield say("lists", Verdict.NOT_COMPARABLE, "; ".join(differing))
    elif here.lists == base.lists:
        yield say("lists", Verdict.SAME)
    else:
        text = f"{base.n_queries} queries -> ids: {base.lists[:12]}, here {here.lists[:12]}"
        yield say("lists", Verdict.REGRESSED, text)
    ours, theirs = here.counted(), base.counted()
    for name in dict.fromkeys([*theirs, *ours]):
        if not is_exact and name not in steady:
            yield say(name, Verdict.NOT_COMPARABLE, "; ".join(differing))
        elif ours.get(name) == theirs.get(name):
            yield say(name, Verdict.SAME)
        else:
            yield say(name, Verdict.REGRESSED, _by_how_much(theirs.get(name), ours.get(name)))


def _other_question(base: Facts, here: Facts) -> str | None:
    """Return why answers are not to the same questions."""
    for name in ("data_hash", "metrics_version", "method", "seed", "n_queries"):
        a, b = getattr(base, name), getattr(here, name)
        if a != b:
            return f"{name}: baseline {str(a)[:12]}, here {str(b)[:12]}"
    both = {**base.build, **here.build}  # one that an index does not read is null, or not there yet
    names = [one for one in both if base.build.get(one) != here.build.get(one)]
    if names:
        return f"build parameters differ: {', '.join(names)}"
    return None


def _by_how_much(base: int | None, here: int | None) -> str:
    if not base or here is None:
        return f"{base}, here {here}"
    return f"{base:,}, here {here:,} ({here / base - 1:+.2%})"


def _finding(baseline: Baseline, name: str, fact: str, verdict: Verdict, text: str = "") -> Finding:
    return Finding(LANE, baseline.suite, name, fact, verdict, text)

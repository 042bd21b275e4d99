"""Lane 3: benchmarks of two revisions, in pairs of fresh processes; what they come to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.gate.revisions import Revision
from harness.gate.speed import Speed, confirmed, judge, pairs_of, turns
from harness.gate.taking_turns import SUITE, Pair, names_of, take_pair
from harness.gate.verdict import Finding, Verdict

LANE = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: pairs, A/A pairs, and of which benchmarks (a regular expression)."""

    n_pairs: int
    n_aa: int
    pattern: str


def compare_speed(base: Revision, head: Revision, plan: Plan, say: Say) -> Iterator[Finding]:
    """Give a finding for each benchmark of either revision, as soon as it stands.

    The code of the benchmarks is head's for both, so that a ratio is of the code they call. A
    benchmark that only one revision has is not timed; nor is one of a module that head cannot
    import, which is missing, or that base's code cannot, of which nothing can be said. A change
    that is found is looked for once more, and stands only if it is found again; where that is cut
    short it is inconclusive.
    """
    (ours, faults), (theirs, _) = (names_of(one, plan.pattern) for one in (head, base))
    for one in theirs:
        if one not in ours:
            fault = faults.get(one.partition(".")[0])
            gone = f"gone in {head.commit[:12]}" if fault is None else f"now {fault}"
            yield _finding(one, Verdict.MISSING, f"in {base.commit[:12]}, {gone}")
    for one in ours:
        if one not in theirs:
            yield _finding(one, Verdict.NEW, f"not in {base.commit[:12]}")
    shared = [one for one in ours if one in theirs]
    if not shared:
        return
    changed: dict[str, Speed] = {}
    for name, found in measure(base, head, plan, shared, say).items():
        if isinstance(found, Speed) and _is_change(found):
            changed[name] = found
        else:
            yield found if isinstance(found, Finding) else _finding(name, found.verdict, str(found))
    if changed:
        yield from _once_more(base, head, plan, changed, say)


def _once_more(
    base: Revision, head: Revision, plan: Plan, changed: Mapping[str, Speed], say: Say
) -> Iterator[Finding]:
    """Measure again what was found, and give what it comes to."""
    say(f"once more: {', '.join(changed)}")
    try:
        again = measure(base, head, plan, list(changed), say)
    except BaseException:
        for name, first in changed.items():
            text = f"{first.verdict}, not looked for once more: {first}"
            yield _finding(name, Verdict.INCONCLUSIVE, text)
        raise
    for name, first in changed.items():
        second = again[name]
        if isinstance(second, Speed):
            yield _finding(name, confirmed(first, second), f"{first}; once more: {second}")
        else:
            yield _finding(name, Verdict.INCONCLUSIVE, f"{first}; once more: {second.text}")


def measure(
    base: Revision, head: Revision, plan: Plan, names: Sequence[str], say: Say
) -> dict[str, Speed | Finding]:
    """Return for each benchmark what its pairs say, or why there are none."""
    sides = {"A": base, "B": head}
    order, pairs = turns(plan.n_pairs, plan.n_aa), []
    for number, turn in enumerate(order, 1):
        pairs.append(take_pair(sides[turn[0]], sides[turn[1]], head, names, number))
        say(f"pair {number} of {len(order)}: {turn} {_ratios(pairs[-1])}")
    found: dict[str, Speed | Finding] = {}
    for name in names:
        taken = [one[name] for one in pairs]
        faults = [
            (turn, one) for turn, one in zip(order, taken, strict=True) if isinstance(one, str)
        ]
        if faults:
            found[name] = _fault(name, faults)
        else:
            seconds = [one for one in taken if not isinstance(one, str)]
            found[name] = judge(*pairs_of(order, seconds))
    return found


def _ratios(pair: Mapping[str, Pair]) -> str:
    """Return the ratios of a pair, the second process over the first, in the order of names."""
    return " ".join(
        "-" if isinstance(one, str) else f"{one[1] / one[0]:.3f}" for one in pair.values()
    )


def _is_change(one: Speed) -> bool:
    return one.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)


def _fault(name: str, faults: Sequence[tuple[str, Pair]]) -> Finding:
    """Return what an error makes of a benchmark: base's says nothing, head's is a regression."""
    told = {}
    for turn, one in faults:
        side, _, text = str(one).partition(": ")
        told[turn[0] if side == "first" else turn[1]] = text
    if "A" in told:
        return _finding(name, Verdict.INCONCLUSIVE, f"base: {told['A']}")
    return _finding(name, Verdict.REGRESSED, f"head: {told['B']}")


def _finding(name: str, verdict: Verdict, text: str) -> Finding:
    return Finding(LANE, SUITE, name, "seconds", verdict, text)

"""The gate's account: a Markdown summary for a pull request, and the same as JSON."""

import dataclasses
import json
from collections.abc import Sequence

from harness.gate.verdict import Exit, Finding, Verdict, exit_of

LANES = {1: "exact facts", 2: "accuracy, paired by query", 3: "speed, interleaved"}
WORDS = {
    Exit.PASS: "pass",
    Exit.REGRESSION: "regression",
    Exit.INCONCLUSIVE: "inconclusive",
    Exit.FAULT: "fault of the harness",
    Exit.OTHER_BENCHMARKS: "new or missing benchmarks",
}
QUIET = (Verdict.SAME, Verdict.NOT_COMPARABLE)  # counted; speed is always shown
TOP = 40  # rows that are shown


def markdown(findings: Sequence[Finding], notes: Sequence[str], replay: str) -> str:
    """Return the summary: what it came to, a table of what is worth a look, how to see it again."""
    status = exit_of(findings)
    lines = [f"## matchbench gate: {WORDS[status]}", ""]
    lines += [_lane_line(lane, findings) for lane in LANES if any(f.lane == lane for f in findings)]
    shown = [one for one in findings if one.verdict not in QUIET]
    if shown:
        lines += [
            "",
            "| lane | suite | benchmark | fact | verdict | |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_row(one) for one in shown[:TOP]]
        if len(shown) > TOP:
            lines.append(f"\n{len(shown) - TOP} more rows are in the JSON account.")
    elsewhere = [one for one in findings if one.verdict is Verdict.NOT_COMPARABLE]
    if elsewhere:
        reason = elsewhere[0].text
        lines += ["", f"{len(elsewhere)} facts are not comparable here ({reason}): lane 2 judges."]
    lines += ["", *(f"- {note}" for note in notes)]
    lines += [
        "",
        f"Run it again: `{replay}` (exit status {int(status)})",
        "",
        'Meant to change? `matchbench baseline update --reason "..."`',
    ]
    return "\n".join(lines) + "\n"


def as_json(findings: Sequence[Finding], replay: str) -> str:
    """Return every finding, the exit status and the command."""
    table = {
        "exit": int(exit_of(findings)),
        "findings": [dataclasses.asdict(one) for one in findings],
        "replay": replay,
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def _lane_line(lane: int, findings: Sequence[Finding]) -> str:
    own = [one.verdict for one in findings if one.lane == lane]
    counts = ", ".join(f"{own.count(one)} {one.value}" for one in Verdict if one in own)
    return f"- lane {lane} ({LANES[lane]}): {counts}"


def _row(one: Finding) -> str:
    verdict = f"**{one.verdict}**" if one.verdict is Verdict.REGRESSED else str(one.verdict)
    cells = [str(one.lane), one.suite, one.benchmark, one.fact, verdict, one.text]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

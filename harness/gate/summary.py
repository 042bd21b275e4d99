"""The gate's account: a Markdown summary for a pull request, and the same as JSON."""

import dataclasses
import json
from dataclasses import dataclass, field

from harness.gate.verdict import Exit, Finding, Verdict, exit_of

LANES = {1: "exact facts", 2: "accuracy, paired by query", 3: "speed, interleaved"}
ACCURACY = 2
NOT_JUDGED = "nothing has judged them, since lane 2 was not run"
WORDS = {
    Exit.PASS: "pass",
    Exit.REGRESSION: "regression",
    Exit.INCONCLUSIVE: "inconclusive",
    Exit.FAULT: "fault of the harness",
    Exit.OTHER_BENCHMARKS: "new or missing benchmarks",
}
QUIET = (Verdict.SAME, Verdict.NOT_COMPARABLE)  # counted; speed is always shown
TOP = 40  # rows that are shown


@dataclass(slots=True)
class Account:
    """What a gate has found so far.

    Attributes
    ----------
    notes : what the findings rest on, a line each.
    fault : what ended the gate before everything was judged; None where nothing did.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault: str | None = None

    @property
    def status(self) -> Exit:
        """Return what all of it comes to; a fault decides, since the rest was not judged."""
        return exit_of(self.findings) if self.fault is None else Exit.FAULT


def markdown(account: Account, replay: str) -> str:
    """Return the summary: what it came to, a table of what is worth a look, how to see it again."""
    findings, status = account.findings, account.status
    lines = [f"## matchbench gate: {WORDS[status]}", ""]
    if account.fault is not None:
        lines += [f"**Not finished.** {account.fault}", "", "Found before:" if findings else ""]
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
        judge = "lane 2 judges" if any(one.lane == ACCURACY for one in findings) else NOT_JUDGED
        reason = elsewhere[0].text
        lines += ["", f"{len(elsewhere)} facts are not comparable here ({reason}): {judge}."]
    lines += ["", *(f"- {note}" for note in account.notes)]
    lines += [
        "",
        f"Run it again: `{replay}` (exit status {int(status)})",
        "",
        'Meant to change? `matchbench baseline update --reason "..."`',
    ]
    return "\n".join(lines) + "\n"


def as_json(account: Account, replay: str) -> str:
    """Return every finding, the exit status, the fault or null, and the command."""
    table = {
        "exit": int(account.status),
        "fault": account.fault,
        "findings": [dataclasses.asdict(one) for one in account.findings],
        "replay": replay,
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def _lane_line(lane: int, findings: list[Finding]) -> str:
    own = [one.verdict for one in findings if one.lane == lane]
    counts = ", ".join(f"{own.count(one)} {one.value}" for one in Verdict if one in own)
    return f"- lane {lane} ({LANES[lane]}): {counts}"


def _row(one: Finding) -> str:
    verdict = f"**{one.verdict}**" if one.verdict is Verdict.REGRESSED else str(one.verdict)
    cells = [str(one.lane), one.suite, one.benchmark, one.fact, verdict, one.text]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

"""The command line: reads arguments, loads one subcommand, turns faults into words."""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence

from harness.arguments import make_parser
from harness.errors import HarnessError

# Loaded by name, so that `list` starts at once: `run` needs torch, `table` pandas.
COMMANDS = {
    "list": "harness.commands.list",
    "plan": "harness.commands.plan",
    "run": "harness.commands.run",
    "tune": "harness.commands.tune",
    "noise": "harness.commands.noise",
    "scale": "harness.commands.scale",
    "table": "harness.commands.table",
    "compare": "harness.commands.compare",
    "export": "harness.commands.export",
    "score": "harness.commands.score",
    "report": "harness.commands.report",
    "figure": "harness.commands.figure",
    "gate": "harness.commands.gate",
    "baseline": "harness.commands.baseline",
    "data": "harness.commands.data",
}
FAULT = 2
GATE_FAULT = 3  # of `gate`, where 1 and 2 are verdicts
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return 0, 1 when a trial failed, 2 for a fault of the input.

    `gate` has statuses of its own, `harness.gate.verdict.Exit`, and 3 for every fault.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["gate"]:
        return _gate(given)
    return _run(make_parser().parse_args(given))


def _gate(arguments: Sequence[str]) -> int:
    """Run the gate; no fault may end with a status that reads as a verdict."""
    try:
        options = make_parser().parse_args(arguments)
    except SystemExit as ended:  # of argparse: 2 for a fault, 0 after --help
        return GATE_FAULT if ended.code else 0
    try:
        return _run(options, fault=GATE_FAULT)
    except Exception:
        traceback.print_exc()
        return GATE_FAULT


def _run(options: argparse.Namespace, fault: int = FAULT) -> int:
    try:
        return int(importlib.import_module(COMMANDS[options.command]).main(options))
    except HarnessError as error:
        print(f"matchbench: {error}", file=sys.stderr)
        return fault
    except MemoryError as error:
        print(f"matchbench: out of memory: {error}", file=sys.stderr)
        return fault
    except KeyboardInterrupt:
        print("matchbench: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left; there is nobody to tell
        return fault

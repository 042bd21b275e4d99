"""The arguments of ``matchbench``, by what its subcommands do."""

import argparse

from harness.arguments.comparing import (
    add_compare,
    add_export,
    add_figure,
    add_report,
    add_score,
    add_table,
)
from harness.arguments.running import (
    add_data,
    add_list,
    add_noise,
    add_plan,
    add_run,
    add_scale,
    add_tune,
)
from harness.arguments.tracking import add_baseline, add_gate

__all__ = ["make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="matchbench",
        description="Measure candidate retrieval: quality, speed and memory of methods, "
        "behind one interface.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_list(commands)
    add_plan(commands)
    add_run(commands)
    add_tune(commands)
    add_noise(commands)
    add_scale(commands)
    add_table(commands)
    add_compare(commands)
    add_export(commands)
    add_score(commands)
    add_report(commands)
    add_figure(commands)
    add_gate(commands)
    add_baseline(commands)
    add_data(commands)
    return parser

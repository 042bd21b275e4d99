"""Arguments of the subcommands that track regressions."""

from pathlib import Path

from harness.arguments.shared import Subparsers, add_data_root


def add_gate(commands: Subparsers) -> None:
    """Add the subcommand `gate`."""
    one = commands.add_parser(
        "gate",
        help="tell whether a change made results, work, bytes or speed worse",
        description="Lane 1: hashes of result lists, work counters and index bytes against the "
        "committed baselines. Lane 2: accuracy against them, paired by query. Lane 3, with "
        "--against: seconds of benchmarks as ratios of two revisions that take turns in fresh "
        "processes, with A/A pairs beside. Exit status: 0 pass, 1 regression, 2 inconclusive or "
        "not comparable, 3 a fault of the harness or its input, 4 new or missing benchmarks. See "
        "docs/regressions.md.",
    )
    one.add_argument(
        "suites", metavar="SUITE", nargs="*", help="default: every suite with a baseline"
    )
    one.add_argument(
        "--lane", type=int, nargs="+", choices=[1, 2, 3], help="default: 1 2, with --against 1 2 3"
    )
    one.add_argument("--against", metavar="REV", help="the revision that lane 3 compares with")
    one.add_argument(
        "--head",
        metavar="REV",
        help="the revision that lane 3 judges; default: tracked files as they are now",
    )
    one.add_argument("--pairs", type=int, default=10, metavar="N", help="of lane 3; default 10")
    one.add_argument("--aa-pairs", type=int, default=5, metavar="N", help="default 5")
    one.add_argument(
        "--benchmarks", default="", metavar="REGEX", help="of lane 3; default: all of them"
    )
    one.add_argument("--summary", type=Path, metavar="FILE", help="append the Markdown summary")
    one.add_argument("--json", type=Path, metavar="FILE", help="write every finding")
    one.add_argument("--out", type=Path, metavar="DIR", help="of facts; default: results/runs/gate")
    one.set_defaults(replay=None)
    add_data_root(one)


def add_baseline(commands: Subparsers) -> None:
    """Add the subcommand `baseline`."""
    one = commands.add_parser(
        "baseline",
        help="change what the gate holds results against, with a reason",
        description="update: take the facts of suites anew, methods that are not exact with five "
        "seeds, and write them to results/baselines. The reason is kept with them; commit both "
        "with the change that they belong to.",
    )
    one.add_argument("action", choices=["update"])
    one.add_argument(
        "suites", metavar="SUITE", nargs="*", help="default: every suite with a baseline"
    )
    one.add_argument("--reason", required=True, metavar="TEXT", help="why results may change")
    one.add_argument("--out", type=Path, metavar="DIR", help="of facts; default: results/runs/gate")
    add_data_root(one)

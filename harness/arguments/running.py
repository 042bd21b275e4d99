"""Arguments of the subcommands that run trials, and of those that say what there is."""

import argparse
from pathlib import Path

from harness.arguments.shared import (
    Subparsers,
    add_choice,
    add_data_root,
    add_noise_option,
    add_suite,
)

FORMS = ("text", "markdown", "latex", "csv", "html")
EXPORTS = (
    "trec", "ranx", "beir", "ann-benchmarks", "ann-benchmarks-csv", "asv",
    "github-action-benchmark", "parquet",
)  # fmt: skip


def add_list(commands: Subparsers) -> None:
    """Add the subcommand `list`."""
    one = commands.add_parser(
        "list",
        help="name what is there: methods, suites, datasets, metrics",
        description="Name what is there. With a method's name, show its parameters.",
    )
    one.add_argument(
        "kind", nargs="?", choices=["methods", "suites", "datasets", "metrics"], help="default: all"
    )
    one.add_argument("name", nargs="?", help="with `methods`: the method to describe")
    add_data_root(one)


def add_plan(commands: Subparsers) -> None:
    """Add the subcommand `plan`."""
    one = commands.add_parser(
        "plan",
        help="check a suite and show its trials, running nothing",
        description="Check a suite whole, report every fault, and show the trials it stands for.",
    )
    add_suite(one)
    add_choice(one)
    add_data_root(one)


def add_run(commands: Subparsers) -> None:
    """Add the subcommand `run`."""
    one = commands.add_parser(
        "run",
        help="run a suite and print its table",
        description="Run the trials of a suite, one at a time, each in a fresh process, and print "
        "the table. What DIR already holds is not run again; a run that was stopped goes on. "
        "Every trial leaves records, whatever becomes of it: ok, invalid (measured, but not to be "
        "trusted), failed, timeout and out_of_memory (past the suite's time_limit_s or "
        "memory_limit_mb, which the reason names), or skipped (this machine lacks something). "
        "Exit status: 0 all trials are ok or skipped, 1 some are not (with --strict: or some rows "
        "say little), 2 the input is at fault.",
    )
    add_suite(one)
    one.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where records go; default: results/runs/NAME-OF-SUITE",
    )
    add_choice(one)
    one.add_argument(
        "--force", action="store_true", help="run all trials again, those already recorded too"
    )
    one.add_argument(
        "--strict",
        action="store_true",
        help="fail where a row was measured while others kept the machine busy, or where the A/A "
        "spread of its QPS is above 10 %%; such rows are marked by a warning in any case and their "
        "status stays",
    )
    add_noise_option(one)
    add_data_root(one)


def add_tune(commands: Subparsers) -> None:
    """Add the subcommand `tune`."""
    one = commands.add_parser(
        "tune",
        help="choose a suite's parameters on validation, by the same budget for each case",
        description="Try N settings of each case's build parameters, the suite's own first, each "
        "in a fresh process that learns from the training part and is scored on the validation "
        "part; the test part is not opened. What is varied: the case's [case.tune] table, else "
        "what its method declares, except for what the suite's build sets. DIR/NAME.tuned.toml is "
        "the suite with the values chosen, DIR/tuning.jsonl holds every trial; the same command "
        "goes on from there. A trial that fails counts. Exit status: 0; 1 every trial of some "
        "case failed; 2 the input is at fault.",
    )
    add_suite(one)
    one.add_argument(
        "--trials", type=int, required=True, metavar="N", help="settings of each case, in all"
    )
    one.add_argument(
        "--metric", metavar="NAME@K", help="default: the suite's first that suits, such as ndcg@10"
    )
    one.add_argument(
        "--time-limit", type=float, metavar="S", help="seconds of one trial; default: the suite's"
    )
    one.add_argument(
        "--methods", "--cases", metavar="GLOB", help="only cases whose name or method matches"
    )
    one.add_argument(
        "--seed",
        type=int,
        nargs=1,
        metavar="S",
        help="of the search and of each training; default: the suite's first",
    )
    one.add_argument(
        "--sampler",
        choices=["tpe", "random"],
        default="tpe",
        help="tpe: ten settings by lot, then by what came of those before; random: all by lot",
    )
    one.add_argument(
        "--device", choices=["cpu", "cuda", "auto"], help="instead of the suite's first device"
    )
    one.add_argument("--out", type=Path, metavar="DIR", help="default: results/runs/NAME-OF-SUITE")
    one.set_defaults(profile=None)
    add_data_root(one)


def add_noise(commands: Subparsers) -> None:
    """Add the subcommand `noise`."""
    one = commands.add_parser(
        "noise",
        help="measure how far two measurements of the same work lie apart",
        description="Measure the noise floor of a suite: each trial of its first seed runs twice "
        "per pair, in fresh processes, in rounds over all cases, nothing changed between. The "
        "spread goes to DIR/noise.json, the records to DIR/noise; `run` and `table` on DIR then "
        "show it as ± beside the QPS. What is already recorded is not measured again.",
    )
    add_suite(one)
    one.add_argument("--pairs", type=int, default=5, metavar="N", help="A/A pairs; default 5")
    one.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the suite's results folder; default: results/runs/NAME-OF-SUITE",
    )
    add_choice(one)
    one.add_argument("--force", action="store_true", help="measure all pairs again")
    one.add_argument("--format", choices=FORMS, default="text", dest="form")
    add_data_root(one)


def add_scale(commands: Subparsers) -> None:
    """Add the subcommand `scale`."""
    one = commands.add_parser(
        "scale",
        help="run a suite at growing catalogue sizes and fit exponents",
        description="Run the cases of a suite on a synthetic dataset of n items, small n first, "
        "and print time, bytes, speed and agreement with exact search against n, with fitted "
        "exponents; DIR/scale.csv holds the rows. A case ends at the first limit it meets; its "
        "larger sizes are recorded as skipped. What DIR already holds is not run again. "
        "Exit status: 0, also where a limit was met; 1 a trial failed or is invalid; 2 the input "
        "is at fault.",
    )
    one.add_argument(
        "suite", metavar="SUITE", nargs="?", default="scale", help="default: the suite `scale`"
    )
    one.add_argument(
        "--sizes",
        type=_size,
        nargs="+",
        metavar="N",
        default=[10_000, 100_000, 1_000_000],
        help="numbers of items, such as 1e6; default 1e4 1e5 1e6",
    )
    one.add_argument(
        "--limit-s", type=float, metavar="S", help="seconds of one trial, instead of the suite's"
    )
    one.add_argument(
        "--memory-limit-mb",
        type=float,
        metavar="M",
        help="megabytes that the processes of one trial may hold, instead of the suite's",
    )
    one.add_argument("--out", type=Path, metavar="DIR", help="default: results/runs/NAME-OF-SUITE")
    one.add_argument("--format", choices=FORMS, default="text", dest="form")
    add_choice(one)
    one.add_argument("--force", action="store_true", help="run all trials again")
    add_data_root(one)


def _size(text: str) -> int:
    """Read a number of items: 1000000, or 1e6."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (1 <= value < 2**53 and value == int(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of items, such as 1e6")
    return int(value)


def add_data(commands: Subparsers) -> None:
    """Add the subcommand `data`."""
    one = commands.add_parser(
        "data",
        help="list, download and check datasets",
        description="list: every dataset, and whether it is here. add NAME: download it from its "
        "owner, where the owner allows. check NAME: read it and compare counts and hash.",
    )
    one.add_argument("action", choices=["list", "add", "check"])
    one.add_argument("names", nargs="*", metavar="NAME", help="check without a name: all present")
    add_data_root(one)

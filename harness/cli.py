"""The command line: reads arguments, loads one subcommand, turns faults into words."""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

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
FORMS = ("text", "markdown", "latex", "csv", "html")
EXPORTS = (
    "trec", "ranx", "beir", "ann-benchmarks", "ann-benchmarks-csv", "asv",
    "github-action-benchmark", "parquet",
)  # fmt: skip
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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="matchbench",
        description="Measure candidate retrieval: quality, speed and memory of methods, "
        "behind one interface.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_list(commands)
    _add_plan(commands)
    _add_run(commands)
    _add_tune(commands)
    _add_noise(commands)
    _add_scale(commands)
    _add_table(commands)
    _add_compare(commands)
    _add_export(commands)
    _add_score(commands)
    _add_report(commands)
    _add_figure(commands)
    _add_gate(commands)
    _add_baseline(commands)
    _add_data(commands)
    return parser


Subparsers = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_list(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "list",
        help="name what is there: methods, suites, datasets, metrics",
        description="Name what is there. With a method's name, show its parameters.",
    )
    one.add_argument(
        "kind", nargs="?", choices=["methods", "suites", "datasets", "metrics"], help="default: all"
    )
    one.add_argument("name", nargs="?", help="with `methods`: the method to describe")
    _add_data_root(one)


def _add_plan(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "plan",
        help="check a suite and show its trials, running nothing",
        description="Check a suite whole, report every fault, and show the trials it stands for.",
    )
    _add_suite(one)
    _add_choice(one)
    _add_data_root(one)


def _add_run(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
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
    _add_suite(one)
    one.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where records go; default: results/runs/NAME-OF-SUITE",
    )
    _add_choice(one)
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
    _add_noise_option(one)
    _add_data_root(one)


def _add_tune(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
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
    _add_suite(one)
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
    _add_data_root(one)


def _add_noise(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "noise",
        help="measure how far two measurements of the same work lie apart",
        description="Measure the noise floor of a suite: each trial of its first seed runs twice "
        "per pair, in fresh processes, in rounds over all cases, nothing changed between. The "
        "spread goes to DIR/noise.json, the records to DIR/noise; `run` and `table` on DIR then "
        "show it as ± beside the QPS. What is already recorded is not measured again.",
    )
    _add_suite(one)
    one.add_argument("--pairs", type=int, default=5, metavar="N", help="A/A pairs; default 5")
    one.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the suite's results folder; default: results/runs/NAME-OF-SUITE",
    )
    _add_choice(one)
    one.add_argument("--force", action="store_true", help="measure all pairs again")
    one.add_argument("--format", choices=FORMS, default="text", dest="form")
    _add_data_root(one)


def _add_scale(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
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
    _add_choice(one)
    one.add_argument("--force", action="store_true", help="run all trials again")
    _add_data_root(one)


def _size(text: str) -> int:
    """Read a number of items: 1000000, or 1e6."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (1 <= value < 2**53 and value == int(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of items, such as 1e6")
    return int(value)


def _add_table(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "table",
        help="print the table of a results folder",
        description="Print the table of a results folder: a row per operating point; "
        "intervals are 95 % bootstrap over queries; * marks a best whose interval clears "
        "the second's. Repeats in fresh processes are one row, that of the median QPS.",
    )
    one.add_argument("folder", type=Path, metavar="DIR", help="a folder that `run` wrote")
    one.add_argument(
        "--view",
        choices=["main", "quality", "speed", "stages", "build", "memory"],
        default="main",
        help="main: quality, speed and cost together; speed: scenarios and percentiles; "
        "stages: what a query spends where; build: what fitting, building, saving and loading "
        "take; memory: every number of it",
    )
    one.add_argument(
        "--format",
        choices=FORMS,
        default="text",
        dest="form",
        help="csv holds every number of every record, whatever the view",
    )
    _add_noise_option(one)


def _add_compare(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "compare",
        help="compare methods of a run, or two runs, with tests",
        description="Compare from records alone. One DIR: every operating point with a baseline. "
        "Two: the same points of both, the first is the baseline. Three or more, two with --join, "
        "and any number with --view frontier or published: one run, joined of all. A trial that "
        "several folders hold is that of its newest attempt; records of other data, another split "
        "or another machine than the first folder's stay out, with the reason. Quality is "
        "paired by query: difference, 95 % bootstrap interval over queries, sign-flip test; of "
        "several seeds interval and test over seeds too; Holm over all "
        "cells.",
    )
    one.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="folders that `run` wrote"
    )
    one.add_argument(
        "--join", action="store_true", help="two DIR are one run, not one against the other"
    )
    one.add_argument(
        "--baseline",
        metavar="CASE",
        help="of one run: what the others are compared with, and name=value where the case has "
        "several points, e.g. 'ivf nprobe=16'; default: the first case",
    )
    one.add_argument(
        "--metric", nargs="+", metavar="NAME", help="only these metrics, e.g. recall@50"
    )
    one.add_argument(
        "--view",
        choices=["main", "quality", "speed", "frontier", "published"],
        default="main",
        help="main: quality, then speed; frontier: which points no other beats, and who leads at a "
        "fixed quality, memory or p99; published: the figures of --published beside ours, with "
        "the difference and whether it is within the figure's tolerance",
    )
    one.add_argument(
        "--quality-at",
        type=float,
        nargs="+",
        metavar="X",
        help="with frontier: QPS where the metric is at least X; default: 5 within what there is",
    )
    one.add_argument(
        "--memory-mb", type=float, nargs="+", metavar="Y", help="likewise, quality within Y MB"
    )
    one.add_argument(
        "--p99-ms", type=float, nargs="+", metavar="Z", help="likewise, quality within Z ms"
    )
    _add_published(one)
    one.add_argument("--format", choices=FORMS, default="text", dest="form")
    _add_noise_option(one)


def _add_export(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "export",
        help="write a run as the files of other programs",
        description="Write the records and result lists of a run for other programs. trec, ranx: a "
        "run for each operating point, and qrels; ties are made strict, and told. beir: figures "
        "under the names of BEIR and MTEB. ann-benchmarks: a result file (HDF5) for each point and "
        "load; ann-benchmarks-csv: its table. asv: a results folder of version 2. "
        "github-action-benchmark: a file for each direction. parquet: every record, every column. "
        "trec, ranx and ann-benchmarks read the data again and check their hash. Records that did "
        "not end well are left out, of all but parquet, and named.",
    )
    one.add_argument("folder", type=Path, metavar="DIR", help="a folder that `run` wrote")
    one.add_argument("--to", choices=EXPORTS, required=True)
    one.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="a folder; of ann-benchmarks-csv and parquet a file",
    )
    one.add_argument("--cases", metavar="GLOB", help="only cases whose name matches")
    _add_data_root(one)


def _add_score(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "score",
        help="score the run file of any system",
        description="Score a run against judgements: means over the judged queries with 95 % "
        "bootstrap intervals. RUN: a TREC run, or JSON as ranx and BEIR write it. QRELS: TREC "
        "qrels, JSON, or a qrels/*.tsv of a BEIR folder. Documents are ordered by score, ties as "
        "trec_eval breaks them; a judged query that the run lacks scores 0. A result file and a "
        "data file of ann-benchmarks (HDF5) give the recall of the true neighbours.",
    )
    one.add_argument("run", type=Path, metavar="RUN")
    one.add_argument("qrels", type=Path, metavar="QRELS")
    one.add_argument(
        "--metric",
        nargs="+",
        metavar="NAME@K",
        help="default: ndcg@10 recall@10 recall@100 mrr@10 map@100",
    )
    one.add_argument(
        "--min-grade",
        type=float,
        default=1.0,
        metavar="G",
        help="grade from which on a document is relevant; default 1",
    )
    one.add_argument("--format", choices=["text", "json"], default="text", dest="form")


def _add_report(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "report",
        help="write one HTML page of a run: tables, charts, commands",
        description="Write one self-contained HTML file from the records of a folder, or of "
        "several as `compare` joins them; nothing is run and nothing is fetched, neither now nor "
        "when it is opened: overview, frontiers and budgets, ranking, ladder, latency, stages, "
        "memory, scale, segments of users, codes, noise floor, environment, and the command "
        "of every row.",
    )
    _add_drawn(one)
    one.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="default: report.html in the first DIR"
    )
    _add_published(one)
    _add_noise_option(one)


def _add_figure(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "figure",
        help="write the charts of a run as SVG or PNG, for papers",
        description="Write the charts of the page of `report` as files, from the same records, "
        "each with its caption in a text file beside it.",
    )
    _add_drawn(one)
    one.add_argument(
        "--figure",
        nargs="+",
        metavar="GLOB",
        help="only charts whose name matches, e.g. 'frontier-*' ladder; default: all",
    )
    one.add_argument("--format", choices=["svg", "png"], default="svg", dest="form")
    one.add_argument("--theme", choices=["light", "dark"], default="light")
    one.add_argument(
        "--width",
        type=int,
        default=480,
        metavar="N",
        help="72 are one inch; default 480. PNG has 300 pixels an inch",
    )
    one.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="default: figures in the first DIR"
    )
    _add_noise_option(one)


def _add_drawn(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="a folder that `run` wrote; several are joined, see `compare --help`",
    )
    one.add_argument(
        "--metric", metavar="NAME", help="the quality of the charts; default: the suite's first"
    )


def _add_gate(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
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
    _add_data_root(one)


def _add_baseline(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
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
    _add_data_root(one)


def _add_data(commands: Subparsers) -> None:  # type: ignore[valid-type]
    one = commands.add_parser(  # type: ignore[attr-defined]
        "data",
        help="list, download and check datasets",
        description="list: every dataset, and whether it is here. add NAME: download it from its "
        "owner, where the owner allows. check NAME: read it and compare counts and hash.",
    )
    one.add_argument("action", choices=["list", "add", "check"])
    one.add_argument("names", nargs="*", metavar="NAME", help="check without a name: all present")
    _add_data_root(one)


def _add_suite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="a suite file, or a name of `list suites`")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda", "auto"],
        help="instead of the suite's devices; auto: cuda where there is one, else cpu",
    )
    parser.add_argument(
        "--seed", type=int, nargs="+", metavar="N", help="instead of the suite's seeds"
    )
    parser.add_argument(
        "--profile",
        choices=["smoke", "ci", "publish"],
        help="instead of the suite's: smoke, a quick look; ci, 10 s a pass; publish, 60 s, thrice",
    )
    parser.add_argument(
        "--methods", metavar="GLOB", help="only cases whose name or method matches, e.g. 'two_*'"
    )


def _add_published(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--published",
        type=Path,
        metavar="FILE",
        help="a TOML file of published figures to show beside ours, marked as not run here: "
        "[[figure]] with method, source, dataset, metrics, and protocol",
    )


def _add_noise_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--noise",
        type=Path,
        metavar="PATH",
        help="noise.json, or a folder that holds one; default: that of DIR, where there is one",
    )


def _add_data_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="where datasets lie; default: $MATCHBENCH_DATA, else the user's cache",
    )

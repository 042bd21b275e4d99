"""Arguments of the subcommands that read records: tables, comparisons, pages, exchange."""

import argparse
from pathlib import Path

from harness.arguments.shared import Subparsers, add_data_root, add_noise_option, add_published

FORMS = ("text", "markdown", "latex", "csv", "html")
EXPORTS = (
    "trec", "ranx", "beir", "ann-benchmarks", "ann-benchmarks-csv", "asv",
    "github-action-benchmark", "parquet",
)  # fmt: skip


def add_table(commands: Subparsers) -> None:
    """Add the subcommand `table`."""
    one = commands.add_parser(
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
    add_noise_option(one)


def add_compare(commands: Subparsers) -> None:
    """Add the subcommand `compare`."""
    one = commands.add_parser(
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
        "fixed quality, memory, p99 or p95; published: the figures of --published beside ours, "
        "with the difference and whether it is within the figure's tolerance",
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
        "--p99-ms", type=float, nargs="+", metavar="Z", help="likewise, quality within Z ms at p99"
    )
    one.add_argument(
        "--p95-ms", type=float, nargs="+", metavar="Z", help="likewise at p95, which has no default"
    )
    add_published(one)
    one.add_argument(
        "--format",
        choices=FORMS,
        default="text",
        dest="form",
        help="csv is one table, every number in full; main and frontier, which have two, say by "
        "the column `table` of which a row is",
    )
    add_noise_option(one)


def add_report(commands: Subparsers) -> None:
    """Add the subcommand `report`."""
    one = commands.add_parser(
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
    add_published(one)
    add_noise_option(one)


def add_figure(commands: Subparsers) -> None:
    """Add the subcommand `figure`."""
    one = commands.add_parser(
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
    add_noise_option(one)


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


def add_export(commands: Subparsers) -> None:
    """Add the subcommand `export`."""
    one = commands.add_parser(
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
    add_data_root(one)


def add_score(commands: Subparsers) -> None:
    """Add the subcommand `score`."""
    one = commands.add_parser(
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

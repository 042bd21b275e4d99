"""Arguments that several subcommands have."""

import argparse
from pathlib import Path
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  it has no public name


def add_suite(parser: argparse.ArgumentParser) -> None:
    """Add the suite, a file or a name."""
    parser.add_argument("suite", metavar="SUITE", help="a suite file, or a name of `list suites`")


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add what chooses among a suite's trials: device, seeds, profile, methods."""
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


def add_published(parser: argparse.ArgumentParser) -> None:
    """Add ``--published``."""
    parser.add_argument(
        "--published",
        type=Path,
        metavar="FILE",
        help="a TOML file of published figures to show beside ours, marked as not run here: "
        "[[figure]] with method, source, dataset, metrics, and protocol",
    )


def add_noise_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--noise``."""
    parser.add_argument(
        "--noise",
        type=Path,
        metavar="PATH",
        help="noise.json, or a folder that holds one; default: that of DIR, where there is one",
    )


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root``."""
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="where datasets lie; default: $MATCHBENCH_DATA, else the user's cache",
    )

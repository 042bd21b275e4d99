"""``matchbench compare``: methods of a run, or two runs, with tests; nothing is run."""

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.commands import frontier
from harness.commands.folders import open_joined, open_run
from harness.commands.shipped import suite_folders
from harness.commands.since import asked_of, changed_since
from harness.compare.known_answers import known_answers
from harness.compare.points import Pair, Run, against_baseline, between_runs, points_of
from harness.compare.published import Published, parse_published
from harness.compare.quality import compare_quality, metrics_of
from harness.compare.speed import compare_speed
from harness.errors import RecordError, near
from harness.report.caption import caption_of
from harness.report.comparison import render_quality, settings_of
from harness.report.known_answers import known_csv, render_known
from harness.report.plain_tables import comparison_csv
from harness.report.speed_table import render_speed

WHOLE = ("frontier", "published")  # views of one run, which several folders are joined for
OF_VIEWS: Mapping[str, Sequence[str]] = {  # which views heed an option
    "baseline": ("main", "quality", "speed"),
    "metric": ("main", "quality", "frontier"),
    "published": ("main", "quality", "published"),
    **dict.fromkeys(("quality_at", "memory_mb", "p99_ms", "p95_ms"), ("frontier",)),
}


def main(options: argparse.Namespace) -> int:
    """Print the comparison of one run's points with a baseline, or of two runs.

    Three or more folders are joined, two with ``--join``, and any number where a view is of a run.
    """
    check_options(options)
    side_by_side = options.view not in WHOLE and len(options.folders) == 2 and not options.join
    if side_by_side:
        runs, refused = [open_run(one, options.noise) for one in options.folders], []
    else:
        joined = open_joined(options.folders, options.noise)
        runs, refused = [joined.run], [*joined.refused]
    if options.form == "csv" and refused:
        print("\n".join(refused), file=sys.stderr)  # no place in a table
    records = [record for run in runs for record in run.records]
    caption = "\n".join([caption_of(records, runs[0].floor, best=False), *refused])
    if options.view == "frontier":
        return frontier.show(runs[0], options, caption)
    if options.view == "published":
        asked = asked_of(records, suite_folders())
        answers = known_answers(read_published(options.published), records, asked)
        changed = changed_since(records, suite_folders())
        if options.form == "csv":
            print(known_csv(answers, changed))
        else:
            print(render_known(answers, options.form, caption, changed))
        return 0
    pairs = make_pairs(runs, options.baseline)
    show(pairs, options, f"{caption}\n{against(runs, pairs)}")
    return 0


def show(pairs: Sequence[Pair], options: argparse.Namespace, caption: str) -> None:
    """Print quality, speed or both; as CSV one table."""
    metrics = options.metric and checked(options.metric, pairs)
    figures = read_published(options.published)
    quality = compare_quality(pairs, metrics) if options.view in ("main", "quality") else None
    speed = compare_speed(pairs) if options.view in ("main", "speed") else None
    if options.form == "csv":
        print(comparison_csv(pairs, quality, speed, figures))
        return
    texts: list[str] = []
    if quality is not None:
        texts.append(render_quality(quality, pairs, options.form, caption, figures))
    if speed is not None:
        texts.append(render_speed(speed, pairs, options.form, "" if texts else caption))
    print("\n\n".join(texts))


def check_options(options: argparse.Namespace) -> None:
    """Raise `RecordError` where the view does not heed an option, or lacks one that it needs."""
    for name, views in OF_VIEWS.items():
        if getattr(options, name) is not None and options.view not in views:
            option, wanted = f"--{name.replace('_', '-')}", " or ".join(views)
            raise RecordError(f"{option} is for --view {wanted}, not for --view {options.view}")
    if options.view == "published" and options.published is None:
        raise RecordError(
            "--view published needs --published FILE: a TOML file of [[figure]] tables, such as "
            "those in suites/known_answers"
        )


def make_pairs(runs: Sequence[Run], baseline: str | None) -> list[Pair]:
    """Return what is compared with what.

    Raises
    ------
    RecordError
        A baseline was named that does not exist, or beside two runs.
    """
    points = [points_of(one) for one in runs]
    if len(runs) == 1:
        return against_baseline(points[0], baseline)
    if baseline is not None:
        raise RecordError(
            "--baseline is for one run; of two folders the first is the baseline, unless --join"
        )
    return between_runs(*points)


def read_published(path: Path | None) -> list[Published]:
    """Return the published figures of a file, none without one.

    Raises
    ------
    RecordError
        The file cannot be read, or is not what `parse_published` expects.
    """
    if path is None:
        return []
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(f"{path}: is not TOML: {error}") from error
    return parse_published(table, str(path))


def against(runs: Sequence[Run], pairs: Sequence[Pair]) -> str:
    """Return the line of a caption that says what is the baseline."""
    if len(runs) == 2:
        return f"baseline: {runs[0].name}; compared with it: {runs[1].name}, of another session"
    bases = [one.shown for one in pairs if one.is_baseline]
    settings = settings_of([one.shown for one in pairs])[: len(bases)]
    names = [f"{one.first.case} {text}".strip() for one, text in zip(bases, settings, strict=True)]
    return f"baseline: {' or '.join(names)}"


def checked(wanted: Sequence[str], pairs: Sequence[Pair]) -> Sequence[str]:
    """Return the metrics asked for.

    Raises
    ------
    RecordError
        No record has one of them.
    """
    known = [name for pair in pairs for name in metrics_of(pair)]
    for name in wanted:
        if name not in known:
            raise RecordError(f"no metric {name!r} in the records{near(name, filter(None, known))}")
    return wanted

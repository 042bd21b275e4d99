"""``matchbench compare``: methods of a run, or two runs, with tests; nothing is run."""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path

from harness.commands import frontier
from harness.commands.folders import open_joined, open_run
from harness.commands.shipped import suite_folders
from harness.commands.since import changed_since
from harness.compare.known_answers import known_answers
from harness.compare.points import Pair, Run, against_baseline, between_runs, points_of
from harness.compare.published import Published, parse_published
from harness.compare.quality import compare_quality, metrics_of
from harness.compare.speed import compare_speed
from harness.errors import RecordError, near
from harness.report.caption import caption_of
from harness.report.comparison import render_quality, settings_of
from harness.report.known_answers import render_known
from harness.report.speed_table import render_speed

WHOLE = ("frontier", "published")  # views of one run, which several folders are joined for


def main(options: argparse.Namespace) -> int:
    """Print the comparison of one run's points with a baseline, or of two runs.

    Three or more folders are joined, two with ``--join``, and any number where a view is of a run.
    """
    side_by_side = options.view not in WHOLE and len(options.folders) == 2 and not options.join
    if side_by_side:
        runs, refused = [open_run(one, options.noise) for one in options.folders], []
    else:
        joined = open_joined(options.folders, options.noise)
        runs, refused = [joined.run], [*joined.refused]
    records = [record for run in runs for record in run.records]
    caption = "\n".join([caption_of(records, runs[0].floor, best=False), *refused])
    if options.view == "frontier":
        return frontier.show(runs[0], options, caption)
    if options.view == "published":
        answers = known_answers(read_published(options.published), records)
        changed = changed_since(records, suite_folders())
        print(render_known(answers, options.form, caption, changed))
        return 0
    pairs = make_pairs(runs, options.baseline)
    caption = f"{caption}\n{against(runs, pairs)}"
    if options.view in ("main", "quality"):
        metrics = options.metric and checked(options.metric, pairs)
        frame, figures = compare_quality(pairs, metrics), read_published(options.published)
        print(render_quality(frame, pairs, options.form, caption, figures))
    if options.view == "main":
        print()
    if options.view in ("main", "speed"):
        above = caption if options.view == "speed" else ""
        print(render_speed(compare_speed(pairs), pairs, options.form, above))
    return 0


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

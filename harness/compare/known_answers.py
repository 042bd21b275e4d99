"""Known answers: published figures beside what our records say of the same cases."""

import json
import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from scipy.special import stdtrit

from harness.compare.published import Published
from harness.record import SELECTED_ON_TEST, Record, Status

LEVEL = 0.95
MEETS, BETTER, WORSE = "meets", "better", "worse"
NOT_RUN, NO_FIGURE = "not run", "no published figure"
NOTHING_ASKED: Mapping[str, Collection[int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """One metric of one figure, or of one of our cases that no figure asks for.

    Attributes
    ----------
    figure : None where nothing is published.
    ours : mean over seeds; None where no record says.
    interval : of that mean, 95 %: over seeds by Student's t, of one seed over queries by bootstrap.
    verdict : `MEETS` within the tolerance, `BETTER`, `WORSE`, `NOT_RUN`, `NO_FIGURE`, or how the
        records ended.
    reason : why there is no figure of ours, or which seeds it lacks and how they ended.
    records : those that ``ours`` is the mean of.
    point : a record that tells which point of the case it is, None where no case was run.
    """

    metric: str
    figure: Published | None = None
    case: str = ""
    ours: float | None = None
    interval: tuple[float, float] | None = None
    verdict: str = NOT_RUN
    reason: str = ""
    records: tuple[Record, ...] = ()
    point: Record | None = None

    @property
    def selected_on_test(self) -> bool:
        """Return whether ours chose by the part that it was measured on."""
        return any(SELECTED_ON_TEST in one.warnings for one in self.records)

    @property
    def difference(self) -> float | None:
        """Return ours minus the published figure."""
        if self.ours is None or self.figure is None:
            return None
        return self.ours - self.figure.metrics[self.metric]


def known_answers(
    figures: Sequence[Published],
    records: Sequence[Record],
    asked: Mapping[str, Collection[int]] = NOTHING_ASKED,
) -> list[Answer]:
    """Return the answers in the order of the figures, then those of cases without one.

    Parameters
    ----------
    figures : those of the records' dataset; others are left out.
    records : standing ones, of one suite. A case with several points (values of build or search
        parameters, devices, splits) has an answer for each.
    asked : case -> seeds that the suite of the records asks for; a case without a record is an
        answer too, and a seed without one is told.
    """
    datasets = {one.dataset.partition("(")[0] for one in records}
    figures = [one for one in figures if not datasets or one.dataset in datasets]
    points = _points(records)
    answers = [one for figure in figures for one in _of_figure(figure, points, asked)]
    published = {one.case for one in figures}
    for point in points:
        if point[0].case not in published:
            answers += _of_point(point, None, _metrics(point), asked)
    run = {point[0].case for point in points}
    metrics = next(filter(None, map(_metrics, points)), [])
    return answers + [
        Answer(metric, None, case, reason=f"no record of case {case}")
        for case in asked
        if case not in run | published
        for metric in metrics
    ]


def _of_figure(
    figure: Published, points: Sequence[list[Record]], asked: Mapping[str, Collection[int]]
) -> Iterator[Answer]:
    mine = [point for point in points if point[0].case == figure.case]
    for point in mine:
        yield from _of_point(point, figure, list(figure.metrics), asked)
    if not mine:
        reason = figure.not_run or (f"no record of case {figure.case}" if figure.case else "")
        for metric in figure.metrics:
            yield Answer(metric, figure, figure.case, reason=reason or "no case asks for it")


def _of_point(
    point: Sequence[Record],
    figure: Published | None,
    metrics: Sequence[str],
    asked: Mapping[str, Collection[int]],
) -> Iterator[Answer]:
    case, good = point[0].case, tuple(one for one in point if one.status == Status.OK)
    for metric in metrics:
        told = tuple(one for one in good if metric in one.metrics)
        if not told:
            ended, reason = point[0].status, point[0].reason or ""
            if good:
                ended, reason = NOT_RUN, f"the records hold no {metric}"
            yield Answer(metric, figure, case, verdict=ended, reason=reason, point=point[0])
            continue
        ours, interval = mean_over_seeds(told, metric)
        verdict = NO_FIGURE
        if figure is not None:
            verdict = _verdict(ours - figure.metrics[metric], figure.tolerance)
        lacks = _lost(point, {one.seed for one in told}), _unrun(point, asked.get(case, ()))
        reason = "; ".join(filter(None, lacks))
        yield Answer(metric, figure, case, ours, interval, verdict, reason, told, point[0])


def _unrun(point: Sequence[Record], asked: Collection[int]) -> str:
    """Return which of the seeds asked for have no record, in words; empty where all have."""
    missing = sorted({*asked} - {one.seed for one in point})
    return f"not run: {_seeds(missing)}" if missing else ""


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _lost(point: Sequence[Record], told: Collection[int]) -> str:
    """Return how the seeds ended that say nothing, in words; empty where there are none."""
    ended: dict[str, list[int]] = {}
    for one in point:
        how = ": ".join(filter(None, (one.status, one.reason)))
        if one.seed not in told and one.seed not in ended.setdefault(how, []):
            ended[how].append(one.seed)
    return "; ".join(f"left out: {_seeds(seeds)}: {how}" for how, seeds in ended.items() if seeds)


def _verdict(difference: float, tolerance: float) -> str:
    if abs(difference) <= tolerance:
        return MEETS
    return BETTER if difference > 0 else WORSE


def mean_over_seeds(
    records: Sequence[Record], metric: str
) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of a metric over seeds, repeats of a seed averaged first, and its interval.

    With one seed the interval is the record's own, over queries, None where it has none.
    """
    seeds: dict[int, list[float]] = {}
    for one in records:
        seeds.setdefault(one.seed, []).append(one.metrics[metric])
    values = [statistics.fmean(found) for found in seeds.values()]
    mean = statistics.fmean(values)
    if len(values) == 1:
        return mean, records[0].metrics_ci.get(metric)
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2))
    half *= statistics.stdev(values) / math.sqrt(len(values))
    return mean, (mean - half, mean + half)


def _points(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records by point, in order of appearance; loads and seeds share one."""
    points: dict[str, list[Record]] = {}
    for one in records:
        place = [one.device, one.split, one.learned_from]
        key = [one.case, dict(one.build), dict(one.search), *place]
        points.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(one)
    return list(points.values())


def _metrics(point: Sequence[Record]) -> list[str]:
    return list(next((one.metrics for one in point if one.metrics), {}))

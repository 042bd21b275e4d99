"""Material: what page and figures are made of, and every chart that it gives, by section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from harness.compare.frame import to_frame
from harness.compare.frontier import Plane, planes_of
from harness.compare.grouping import AGREEMENT
from harness.compare.ladder import Ladder, ladders
from harness.compare.latency import ReadTimes, latencies_of
from harness.compare.merging import merge_repeats
from harness.compare.points import Point, Run, points_of
from harness.compare.quality import BOUND, Reader
from harness.compare.scaling import catalogue_sizes, scaling_frame
from harness.compare.segments import segments_of
from harness.report.charts.bars import memory_charts, stage_chart
from harness.report.charts.chart import Chart
from harness.report.charts.curves import health_charts, scale_charts
from harness.report.charts.frontier import frontier_charts
from harness.report.charts.latency import latency_chart
from harness.report.charts.steps import ladder_chart, segment_charts
from harness.report.places import places_of


@dataclass(frozen=True, slots=True)
class Material:
    """One run, as far as charts and page share it.

    Attributes
    ----------
    metric : the quality of frontiers, ladders and segments.
    methods : the cases in order of appearance, without bounds: the order of colours.
    frame : one row per operating point and load, repeats merged.
    refused : why records of further folders are not in the run.
    changed : by `setting_key`, where the command of a record runs something else today, and what.
    """

    run: Run
    metric: str
    read_times: ReadTimes
    reader: Reader
    points: Sequence[Point]
    planes: Sequence[Plane]
    ladders: Sequence[Ladder]
    methods: Sequence[str]
    frame: pd.DataFrame
    refused: Sequence[str] = ()
    changed: Mapping[str, str] = field(default_factory=dict)


def material_of(
    run: Run, metric: str, read_times: ReadTimes, refused: Sequence[str] = ()
) -> Material:
    """Return the material of a run."""
    points = points_of(run)
    cases = (one.first.case for one in points if one.first.method != BOUND)
    return Material(
        run=run,
        metric=metric,
        read_times=read_times,
        reader=Reader(),
        points=points,
        planes=planes_of(points, metric),
        ladders=ladders(points, metric),
        methods=list(dict.fromkeys(cases)),
        frame=merge_repeats(to_frame(run.records, run.floor)),
        refused=refused,
    )


def charts_of(material: Material) -> Mapping[str, list[Chart]]:
    """Return the charts of each section, empty where the records hold nothing for it."""
    methods, metric = material.methods, material.metric
    found, chart = material.ladders, stage_chart(material.frame)
    segments = segments_of(material.points, metric, material.reader)
    return {
        "frontier": frontier_charts(material.planes, metric, methods),
        "ladder": [ladder_chart(found, metric, methods)] if found else [],
        "latency": _latency_charts(material),
        "stages": [] if chart is None else [chart],
        "memory": memory_charts(material.frame),
        "scale": _scale_charts(material),
        "segments": segment_charts(segments, metric, methods),
        "codes": health_charts(material.run.records, methods),
    }


def _latency_charts(material: Material) -> list[Chart]:
    charts: list[Chart] = []
    for plane, place in zip(material.planes, places_of(material.planes), strict=True):
        curves = [one for one in latencies_of(plane, material.read_times) if one.curve]
        if curves:
            charts.append(latency_chart(curves, material.methods, place, len(charts) + 1))
    return charts


def _scale_charts(material: Material) -> list[Chart]:
    sizes = catalogue_sizes(material.run.records)
    records = [one for one in material.run.records if one.trial_id in sizes]
    if not records:
        return []
    names = dict.fromkeys(name for one in records for name in one.metrics)
    quality = next((one for one in names if one.startswith(AGREEMENT)), material.metric)
    return scale_charts(scaling_frame(records, sizes), quality, material.methods)

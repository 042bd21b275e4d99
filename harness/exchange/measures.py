"""Measures: the numbers of records that a history of runs follows, each with unit and direction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from harness.compare.log_ratio import number_of
from harness.exchange.point import Point
from harness.metrics.metric import parse_metric
from harness.record import Record

Direction = Literal["higher", "lower"]

# field of a record -> unit; the smaller the better
COSTS: Mapping[str, str] = {
    "latency_p50_s": "seconds",
    "latency_p95_s": "seconds",
    "latency_p99_s": "seconds",
    "fit_s": "seconds",
    "build_s": "seconds",
    "index_bytes": "bytes",
    "peak_host_bytes": "bytes",
    "peak_device_bytes": "bytes",
}
RATES = ("qps", "max_qps")
PER_LOAD = ("latency_p50_s", "latency_p95_s", "latency_p99_s", *RATES)


@dataclass(slots=True)
class Measure:
    """One number of one operating point, with a value for each repeat in a fresh process.

    Attributes
    ----------
    point : series and, of a number that depends on it where there are several, the load.
    name : the field of the record, or the metric.
    records : those that the values come from.
    interval : 95 % interval of a metric over queries, of the first repeat; else None.
    """

    point: str
    name: str
    unit: str
    direction: Direction
    values: list[float] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    interval: tuple[float, float] | None = None

    @property
    def value(self) -> float:
        """Return the median of the repeats."""
        return float(np.median(self.values))


def measures_of(points: Sequence[Point]) -> list[Measure]:
    """Return every number of the points, repeats together, in order of appearance.

    The QPS of a load with a fixed rate is not among them: it is that of the arrivals.
    """
    found: dict[tuple[str, str], Measure] = {}
    for point in points:
        for measure in _of_point(point):
            known = found.setdefault((measure.point, measure.name), measure)
            if known is not measure:
                known.values += measure.values
                known.records += measure.records
    return list(found.values())


def _of_point(point: Point) -> Iterator[Measure]:
    several = len(point.records) > 1
    for number, record in enumerate(point.records):
        loaded = f"{point.series}/{point.load_name(number)}" if several else point.series
        if number == 0:
            for name, value in record.metrics.items():
                metric, interval = parse_metric(name), record.metrics_ci.get(name)
                one = Measure(point.series, name, metric.unit, metric.direction, interval=interval)
                yield _with(one, record, value)
        for name in (*RATES, *COSTS):
            if number and name not in PER_LOAD:
                continue
            found: Any = number_of(record, name) if name in RATES else getattr(record, name)
            if found is None:
                continue
            place = loaded if name in PER_LOAD else point.series
            if name in RATES:
                yield _with(Measure(place, name, "queries/s", "higher"), record, found)
            else:
                yield _with(Measure(place, name, COSTS[name], "lower"), record, found)


def _with(measure: Measure, record: Record, value: float) -> Measure:
    measure.values.append(float(value))
    measure.records.append(record)
    return measure

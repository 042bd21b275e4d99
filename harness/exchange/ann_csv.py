"""The CSV that ann-benchmarks' ``data_export.py`` writes: a row per run, its columns in its order.

``k-nn`` is recall of the exact neighbours: our ``ann_recall`` at the length of the lists, empty
where it was not measured. The distance ratios (``epsilon``, ``largeepsilon``, ``rel``) are not
measured here and stay empty, and so does the rate of a load that fixes it. Percentiles are in
milliseconds, sizes in kilobytes.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.compare.log_ratio import number_of
from harness.exchange.point import Point
from harness.metrics.metric import parse_metric
from harness.record import Record

COLUMNS = (
    "algorithm", "parameters", "count", "k-nn", "epsilon", "largeepsilon", "rel", "qps", "p50",
    "p95", "p99", "p999", "distcomps", "build", "candidates", "indexsize", "queriessize", "dataset",
)  # fmt: skip


def write_csv(path: Path, points: Sequence[Point]) -> None:
    """Write a row for each load of each point."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for point in points:
            writer.writerows(
                _row(point, number, record) for number, record in enumerate(point.records)
            )


def _row(point: Point, number: int, record: Record) -> dict[str, Any]:
    cuts = [parse_metric(name) for name in record.metrics]
    depth = max((one.k for one in cuts), default=0)
    kilobytes = None if record.index_bytes is None else record.index_bytes / 1024
    built = [record.fit_s, record.refit_s, record.build_s]
    n_distances = record.counters.get("distances")
    several, qps = len(point.records) > 1, number_of(record, "qps")
    row: dict[str, Any] = {
        "algorithm": record.case,
        "parameters": f"{point.name}/{point.load_name(number)}" if several else point.name,
        "count": depth or None,
        "k-nn": record.metrics.get(f"ann_recall@{depth}"),
        "qps": qps,
        "distcomps": n_distances / record.n_queries if n_distances and record.n_queries else None,
        "build": sum(one or 0.0 for one in built) if any(built) else None,
        "candidates": None if record.fill_rate is None else record.fill_rate * depth,
        "indexsize": kilobytes,
        "queriessize": kilobytes / qps if kilobytes is not None and qps else None,
        "dataset": record.dataset,
    }
    for name in ("p50", "p95", "p99", "p999"):
        seconds = getattr(record, f"latency_{name}_s")
        row[name] = None if seconds is None else 1000 * seconds
    return {name: value for name, value in row.items() if value is not None}

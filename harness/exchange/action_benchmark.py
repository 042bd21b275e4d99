"""Two files for github-action-benchmark: what is better bigger, and what is better smaller.

The action takes one direction a file, as its tools ``customBiggerIsBetter`` and
``customSmallerIsBetter``: a list of objects with ``name``, ``unit``, ``value``, ``range``,
``extra``.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.exchange.measures import Direction, Measure

FILES: dict[Direction, str] = {
    "higher": "customBiggerIsBetter.json",
    "lower": "customSmallerIsBetter.json",
}


def write_action_benchmarks(folder: Path, measures: Sequence[Measure]) -> list[Path]:
    """Write both files, an empty list where nothing goes in that direction; return their paths."""
    paths = []
    for direction, name in FILES.items():
        entries = [_entry(one) for one in measures if one.direction == direction]
        path = folder / name
        path.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _entry(measure: Measure) -> dict[str, Any]:
    record = measure.records[0]
    entry: dict[str, Any] = {
        "name": f"{record.suite}/{measure.point}/{measure.name}",
        "unit": measure.unit,
        "value": measure.value,
    }
    spread = _spread(measure)
    if spread is not None:
        entry["range"] = f"± {spread:.3g}"
    cpu, device = record.machine.get("cpu", "unknown"), record.device
    lines = [f"{device} of {cpu}, {record.threads} thread(s)", f"commit {record.commit}"]
    entry["extra"] = "\n".join([*lines, record.replay])
    return entry


def _spread(measure: Measure) -> float | None:
    """Return half of the interval over queries, else half of the range of the repeats, or None."""
    if measure.interval is not None:
        return (measure.interval[1] - measure.interval[0]) / 2
    if len(measure.values) > 1:
        return (max(measure.values) - min(measure.values)) / 2
    return None

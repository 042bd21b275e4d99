"""Records -> a pandas frame, one row per record.

Columns, in the order of the record:

- every field of `harness.record.Record` under its name, documented in ``results/README.md``;
  ``build``, ``search`` and ``load`` stay mappings, ``warnings`` and ``rate_curve`` tuples;
- the other mappings become one column per key, named ``field.key``: ``stages_s.encode``,
  ``offline_s.fit``, ``memory.disk_bytes``, ``isolation.pools.torch``; NaN where a record lacks it;
- a metric ``m`` has the column ``m`` and, where an interval is known, ``m.low`` and ``m.high``;
- ``qps_noise``, ``max_qps_noise``, ``latency_p50_s_noise``, ``latency_p99_s_noise``: relative
  half-width of the field's 95 % interval, from A/A pairs, or None.

`harness.compare.merging.merge_repeats` adds ``n_repeats`` and ``qps_repeats``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.noise import SHOWN, noise_of, noise_warning
from harness.noise_floor import NoiseFloor
from harness.record import Record

PARAMETERS = ("build", "search", "load")


def to_frame(records: Sequence[Record], floor: NoiseFloor | None = None) -> pd.DataFrame:
    """Return one row per record with the columns named above; ``floor`` gives the noise."""
    others = {name: noise_of(records, floor, name) for name in SHOWN if name != "qps"}
    rows: list[dict[str, Any]] = []
    for record, noise in zip(records, noise_of(records, floor), strict=True):
        row: dict[str, Any] = {}
        for name in record.__slots__:
            value = getattr(record, name)
            if name == "metrics":
                row.update(value)
            elif name == "metrics_ci":
                for metric, (low, high) in value.items():
                    row[f"{metric}.low"], row[f"{metric}.high"] = low, high
            elif isinstance(value, Mapping) and name not in PARAMETERS:
                row.update(_flat(name, value))
            else:
                row[name] = value
        row["qps_noise"] = noise
        row |= {f"{name}_noise": values[len(rows)] for name, values in others.items()}
        if warning := noise_warning(noise):
            row["warnings"] = (*record.warnings, warning)
        rows.append(row)
    return pd.DataFrame(rows)


def plain_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every column in full, as CSV can hold it.

    Parameters become columns too (``build.dim``); what is a list or a tuple becomes JSON.
    """
    rows = []
    for row in frame.to_dict("records"):
        plain: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, Mapping):
                plain.update(_flat(str(name), value))
            else:
                plain[str(name)] = _text(value)
        rows.append(plain)
    return pd.DataFrame(rows)


def _flat(name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{name}.{key}", value)
        else:
            yield f"{name}.{key}", value


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple) else value

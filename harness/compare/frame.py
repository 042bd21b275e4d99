"""Records -> a pandas frame, one row per record."""

from collections.abc import Sequence

import pandas as pd

from harness.record import Record


def to_frame(records: Sequence[Record]) -> pd.DataFrame:
    """Return one row per record, one column per field; metrics and intervals in their own columns.

    A metric ``m`` has the column ``m`` and, where an interval is known, ``m.low`` and ``m.high``.
    """
    rows = []
    for record in records:
        row = {
            name: getattr(record, name)
            for name in record.__slots__
            if name not in ("metrics", "metrics_ci")
        }
        row.update(record.metrics)
        for name, (low, high) in record.metrics_ci.items():
            row[f"{name}.low"], row[f"{name}.high"] = low, high
        rows.append(row)
    return pd.DataFrame(rows)

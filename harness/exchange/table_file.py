"""Records as one table for pandas: Parquet, or CSV with the same columns."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.compare.frame import plain_numbers, to_frame
from harness.record import SCHEMA, Record


def flat_frame(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per record, every column of one type: numbers, truth values or text.

    Columns are those of `harness.compare.frame`, parameters as columns of their own. A column that
    holds values of several kinds (a parameter that is a number here and a word there) becomes JSON
    text. ``frame.attrs["matchbench_schema"]`` is the schema of the records.
    """
    frame = plain_numbers(to_frame(records))
    columns = {str(name): _of_one_type(frame[name]) for name in frame.columns}
    made = pd.DataFrame(columns)
    made.attrs["matchbench_schema"] = SCHEMA
    return made


def write_parquet(path: Path, records: Sequence[Record]) -> None:
    """Write the table with pyarrow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat_frame(records).to_parquet(path, engine="pyarrow", index=False)


def _of_one_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    kept = [one for one in column.tolist() if not _is_missing(one)]
    if not kept:
        return pd.Series([float("nan")] * len(column), dtype="float64")
    kinds = {bool if isinstance(one, bool) else type(one) for one in kept}
    missing = len(kept) < len(column)
    if kinds == {bool}:
        return _cast(column, "boolean")
    if kinds == {int} and all(abs(one) < 2**63 for one in kept):
        return _cast(column, "Int64" if missing else "int64")
    if kinds <= {int, float}:
        return _cast(column, "float64")
    if kinds == {str}:
        return _cast(column, "string")
    texts = [None if _is_missing(one) else json.dumps(one) for one in column.tolist()]
    return pd.Series(texts, dtype="string")


def _cast(column: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    values = [None if _is_missing(one) else one for one in column.tolist()]
    return pd.Series(values, dtype=kind)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)

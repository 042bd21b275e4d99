"""Runs and qrels as JSON, query -> document -> number: what ranx, BEIR and MTEB write and read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ExchangeError
from harness.exchange.strict import Scores
from harness.lists import IntArray, Lists
from harness.topk import PAD_ID


def write_run(path: Path, names: Sequence[str], ids: IntArray, scores: Scores) -> None:
    """Write the lists of all queries, pads left out; scores as `strict_scores` returns them."""
    table = {
        name: {str(item): value for item, value in zip(row, values, strict=True) if item != PAD_ID}
        for name, row, values in zip(names, ids.tolist(), scores.tolist(), strict=True)
    }
    _write(path, table)


def write_qrels(path: Path, names: Sequence[str], relevant: Lists) -> None:
    """Write what is relevant to each query, each with grade 1."""
    table = {name: {str(one): 1 for one in relevant.row(row)} for row, name in enumerate(names)}
    _write(path, table)


def read_named(path: Path) -> dict[str, dict[str, float]]:
    """Read a run or judgements.

    Raises
    ------
    ExchangeError
        The file is not JSON (says the line), or not an object of objects of finite numbers (says
        the query and the document).
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExchangeError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ExchangeError(f"{path}: line {error.lineno}: is not JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ExchangeError(f"{path}: is not UTF-8 text: {error.reason}") from error
    expected = 'expected {"query": {"document": number}}'
    if not isinstance(table, dict) or not table:
        raise ExchangeError(f"{path}: holds {_kind(table)}; {expected}")
    for query, found in table.items():
        if not isinstance(found, dict):
            raise ExchangeError(f"{path}: query {query!r} holds {_kind(found)}; {expected}")
        for document, value in found.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not np.isfinite(value):
                where = f"query {query!r}, document {document!r}"
                raise ExchangeError(f"{path}: {where}: found {value!r}, expected a finite number")
    return table


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an empty object"
    return f"{type(value).__name__} {value!r}"[:60]


def _write(path: Path, table: Mapping[str, Any]) -> None:
    text = json.dumps(table, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")

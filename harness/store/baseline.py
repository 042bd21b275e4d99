"""``results/baselines/<suite>/``: ``facts.json`` and ``values.npz``, written by one command."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from harness.baseline import SCHEMA, Baseline, Change, Spread, digest_of
from harness.errors import RecordError
from harness.facts import Facts, Taken

FACTS, VALUES = "facts.json", "values.npz"
HINT = "`matchbench baseline update --reason ...` makes it"


def write_baseline(folder: Path, baseline: Baseline) -> None:
    """Write a baseline; a reader sees the digest fail where it meets two halves of two."""
    folder.mkdir(parents=True, exist_ok=True)
    table = _table(baseline)
    table["digest"] = digest_of(table, baseline.points)
    arrays = {
        f"{number}/{name}": values
        for number, one in enumerate(baseline.points.values())
        for name, values in {"user_ids": one.user_ids.astype(np.int64), **one.values}.items()
    }
    with (folder / VALUES).open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # names taken for options
    text = json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")


def read_baseline(folder: Path) -> Baseline:
    """Return the baseline of a folder.

    Raises
    ------
    RecordError
        There is none; it is damaged, of another schema, or was edited by hand.
    """
    path = folder / FACTS
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        with np.load(folder / VALUES, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise RecordError(f"{error.filename}: cannot be read: {error.strerror}; {HINT}") from error
    except (ValueError, zipfile.BadZipFile) as error:
        raise RecordError(f"{folder}: is no baseline: {error}") from error
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        raise RecordError(f"{path}: is no baseline of schema {SCHEMA}; {HINT}")
    digest = table.pop("digest", None)
    try:
        baseline = _of_table(table, arrays)
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path}: is no baseline of schema {SCHEMA}: {error!r}") from error
    if digest != digest_of(table, baseline.points):
        raise RecordError(
            f"{path}: its digest does not hold: it was edited, or {VALUES} beside it is of "
            f"another update. Only {HINT.replace('makes it', 'may change it')}"
        )
    return baseline


def _table(baseline: Baseline) -> dict[str, Any]:
    table = {
        "schema": SCHEMA,
        "suite": baseline.suite,
        "arithmetic": dict(baseline.arithmetic),
        "history": [dataclasses.asdict(one) for one in baseline.history],
        "points": [one.facts.to_dict() for one in baseline.points.values()],
        "spreads": {name: dataclasses.asdict(one) for name, one in baseline.spreads.items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(table))  # as it will be read: no tuples
    return plain


def _of_table(table: dict[str, Any], arrays: dict[str, Any]) -> Baseline:
    points = {}
    for number, values in enumerate(table["points"]):
        facts, lead = Facts.from_dict(values), f"{number}/"
        own = {
            name.removeprefix(lead): one for name, one in arrays.items() if name.startswith(lead)
        }
        points[facts.name] = Taken(facts, own.pop("user_ids"), own)
    return Baseline(
        suite=table["suite"],
        arithmetic=table["arithmetic"],
        history=tuple(
            Change(**{**one, "changed": tuple(one["changed"])}) for one in table["history"]
        ),
        points=points,
        spreads={
            name: Spread(**{**one, "steady": tuple(one["steady"])})
            for name, one in table["spreads"].items()
        },
    )

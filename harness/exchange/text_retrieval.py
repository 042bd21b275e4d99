"""The figures of a point as BEIR's evaluation and MTEB's result files name them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import ExchangeError
from harness.exchange.point import LONGEST
from harness.metrics.metric import parse_metric
from harness.record import Record

# our metric -> BEIR's table and the stem of its keys; definitions agree (trec_eval's; of mrr: BEIR
# counts the first relevant document among the best k)
BEIR: Mapping[str, tuple[str, str]] = {
    "ndcg": ("ndcg", "NDCG"),
    "map": ("map", "MAP"),
    "recall": ("recall", "Recall"),
    "precision": ("precision", "P"),
    "mrr": ("mrr", "MRR"),
    "hit_rate": ("accuracy", "Accuracy"),
    "recall_capped": ("recall_cap", "R_cap"),
}
MAIN = "ndcg@10"  # MTEB's main score of a retrieval task
LANGUAGE = "zxx-Zxxx"  # ISO 639-3 and 15924: no linguistic content, not written


def beir_figures(record: Record) -> dict[str, dict[str, float]]:
    """Return ``{"ndcg": {"NDCG@10": ...}, ...}``; metrics that BEIR does not have are left out."""
    tables: dict[str, dict[str, float]] = {}
    for name, value in record.metrics.items():
        metric = parse_metric(name)
        if metric.name in BEIR:
            table, stem = BEIR[metric.name]
            tables.setdefault(table, {})[f"{stem}@{metric.k}"] = value
    return tables


def mteb_result(record: Record) -> dict[str, Any]:
    """Return a result of a retrieval task: ``scores.test[0]`` holds ``ndcg_at_10`` and the like.

    All our metrics are there, under MTEB's spelling. The data's hash stands for the revision.

    Raises
    ------
    ExchangeError
        The record has no ndcg@10: another number would be read as if it were that.
    """
    if MAIN not in record.metrics:
        raise ExchangeError(
            f"{record.case} has no {MAIN}, the main score of MTEB; it has "
            f"{', '.join(record.metrics) or 'no metrics'}"
        )
    scores: dict[str, Any] = {
        name.replace("@", "_at_"): value for name, value in record.metrics.items()
    }
    scores |= {"main_score": record.metrics[MAIN], "hf_subset": "default", "languages": [LANGUAGE]}
    return {
        "dataset_revision": record.data_hash,
        "task_name": task_name(record),
        "mteb_version": None,
        "scores": {"test": [scores]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def task_name(record: Record) -> str:
    """Return the data set as a name that a file can have: MTEB finds tasks by their files."""
    return re.sub(r"[^\w.=+(),-]+", "_", record.dataset)[:LONGEST]


def write_beir(folder: Path, name: str, record: Record) -> Path:
    """Write ``<name>.beir.json``; nothing is rounded."""
    return _write(folder / f"{name}.beir.json", beir_figures(record))


def write_mteb(folder: Path, name: str, record: Record) -> list[Path]:
    """Write a result and its model where MTEB's `ResultCache(folder / "mteb")` looks for them.

    Its `load_results` finds them with ``validate_and_filter=False``: a result of a task that MTEB
    does not know is no result to it otherwise.
    ``mteb/results/matchbench__<name>/<commit>/`` holds ``<task>.json`` and ``model_meta.json``.

    Raises
    ------
    ExchangeError
        As `mteb_result`.
    """
    result = mteb_result(record)
    revision = record.commit or "unknown"
    place = folder / "mteb" / "results" / f"matchbench__{name}" / revision
    place.mkdir(parents=True, exist_ok=True)
    meta = {"name": f"matchbench/{name}", "revision": revision}
    return [
        _write(place / f"{task_name(record)}.json", result),
        _write(place / "model_meta.json", meta),
    ]


def _write(path: Path, table: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path

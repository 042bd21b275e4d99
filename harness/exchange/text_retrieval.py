"""The figures of a point as BEIR's evaluation and MTEB's result files name them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
MAIN = ("ndcg@10", "ndcg", "recall")  # MTEB's main score of retrieval, or what comes next to it


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
    """
    scores: dict[str, Any] = {
        name.replace("@", "_at_"): value for name, value in record.metrics.items()
    }
    main = [
        name
        for wanted in MAIN
        for name in record.metrics
        if name == wanted or name.partition("@")[0] == wanted
    ]
    scores["main_score"] = record.metrics[main[0]] if main else None
    scores |= {"hf_subset": "default", "languages": []}
    return {
        "dataset_revision": record.data_hash,
        "task_name": record.dataset,
        "mteb_version": None,
        "scores": {"test": [scores]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def write_figures(folder: Path, name: str, record: Record) -> list[Path]:
    """Write ``<name>.beir.json`` and ``<name>.mteb.json``; nothing is rounded."""
    paths = []
    for kind, table in (("beir", beir_figures(record)), ("mteb", mteb_result(record))):
        path = folder / f"{name}.{kind}.json"
        path.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths

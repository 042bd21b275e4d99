"""``matchbench score``: our metrics of any system's run file."""

import argparse
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ExchangeError
from harness.exchange import named_json, trec
from harness.exchange.rankings import Aligned, Judgements, align
from harness.metrics.evaluate import ann_recall, evaluate
from harness.metrics.metric import Metric, parse_metric
from harness.stats import bootstrap_interval, format_with_interval
from harness.topk import TopK

DEFAULTS = ("ndcg@10", "recall@10", "recall@100", "mrr@10", "map@100")
HDF5 = b"\x89HDF"
SEED = 0  # of the bootstrap: the same files give the same interval
Values = Mapping[str, npt.NDArray[np.float64]]


def main(options: argparse.Namespace) -> int:
    """Print the mean of each metric over the judged queries, and what was left out."""
    kinds = [_kind(options.run), _kind(options.qrels)]
    if "hdf5" in kinds:
        if kinds != ["hdf5", "hdf5"]:
            raise ExchangeError(
                f"{options.run} is {kinds[0]}, {options.qrels} {kinds[1]}; expected HDF5 for both: "
                "a result file and a data file of ann-benchmarks"
            )
        return _show(*score_ann(options.run, options.qrels, options.metric), options.form)
    run = named_json.read_named(options.run) if kinds[0] == "json" else trec.read_run(options.run)
    judged = _judgements(options.qrels, kinds[1])
    try:
        aligned = align(run, judged, options.min_grade)
    except ExchangeError as error:
        raise ExchangeError(f"{options.run}, {options.qrels}: {error}") from None
    metrics = [_per_query(name) for name in options.metric or DEFAULTS]
    values = evaluate(metrics, aligned.ids, aligned.relevant, aligned.n_documents)
    return _show(values, _facts(aligned), options.form)


def score_ann(run: Path, data: Path, wanted: Sequence[str] | None) -> tuple[Values, dict[str, Any]]:
    """Return recall of a result file of ann-benchmarks: by distance, as it counts, and by id.

    Raises
    ------
    ExchangeError
        Different numbers of queries, lists of truth that are too short, or another metric.
    """
    try:
        files = importlib.import_module("harness.exchange.ann_results")
    except ModuleNotFoundError as error:
        message = "h5py is not installed: install the extra `exchange` of matchbench"
        raise ExchangeError(message) from error
    result, truth = files.read_result(run), files.read_truth(data)
    if len(result.neighbors) != len(truth.neighbors):
        raise ExchangeError(
            f"{run} answers {len(result.neighbors)} queries, {data} has {len(truth.neighbors)}"
        )
    count = result.neighbors.shape[1]
    values: dict[str, npt.NDArray[np.float64]] = {}
    for name in wanted or (f"ann_recall@{count}", f"recall@{count}"):
        metric = _parsed(name)
        if metric.name not in ("ann_recall", "recall"):
            raise ExchangeError(
                f"{name}: of nearest neighbours only ann_recall and recall are told"
            )
        if metric.k > truth.neighbors.shape[1]:
            depth = truth.neighbors.shape[1]
            raise ExchangeError(f"{name}: {data} holds {depth} true neighbours of each query")
        exact = TopK(truth.neighbors[:, : metric.k], -truth.distances[:, : metric.k])
        scores = -result.distances
        if metric.name == "recall":  # by id: only the very items of the truth count
            own = (result.neighbors[:, :, None] == exact.ids[:, None, :]).any(axis=2)
            scores = np.where(own, np.float32(0), np.float32(-np.inf))
            exact = TopK(exact.ids, np.zeros(exact.ids.shape, np.float32))
        values[name] = ann_recall(result.neighbors, scores, exact, metric.k)
    search_s = result.facts.get("best_search_time")
    facts = {
        "queries": len(result.neighbors),
        "name": result.facts.get("name"),
        "qps": 1 / search_s if search_s else None,
        "build_s": result.facts.get("build_time"),
        "index_bytes": _bytes(result.facts.get("index_size")),
    }
    return values, facts


def _bytes(kilobytes: Any) -> float | None:
    return None if kilobytes is None else 1024 * float(kilobytes)


def _kind(path: Path) -> str:
    """Return what a file is by how it begins: ``hdf5``, ``json`` or ``text``."""
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise ExchangeError(f"{path}: cannot be read: {error.strerror}") from error
    if start.startswith(HDF5):
        return "hdf5"
    return "json" if start.lstrip().startswith(b"{") else "text"


def _judgements(path: Path, kind: str) -> Judgements:
    return named_json.read_named(path) if kind == "json" else trec.read_qrels(path)


def _parsed(name: str) -> Metric:
    try:
        return parse_metric(name)
    except ValueError as error:
        raise ExchangeError(str(error)) from None


def _per_query(name: str) -> Metric:
    metric = _parsed(name)
    if metric.scope != "query" or metric.needs_exact:
        raise ExchangeError(
            f"{name} needs more than a run and judgements; it cannot be scored here"
        )
    return metric


def _facts(aligned: Aligned) -> dict[str, Any]:
    return {
        "queries": len(aligned.queries),
        "missing": aligned.missing,
        "unjudged": aligned.unjudged,
        "without_relevant": aligned.without_relevant,
        "tied_lists": aligned.tied_lists,
    }


def _show(values: Values, facts: Mapping[str, Any], form: str) -> int:
    rows = {
        name: (float(one.mean()), bootstrap_interval(one, seed=SEED))
        for name, one in values.items()
    }
    if form == "json":
        table = {
            "metrics": {name: mean for name, (mean, _) in rows.items()},
            "metrics_ci": {name: interval for name, (_, interval) in rows.items()},
            **facts,
        }
        print(json.dumps(table, indent=2))
        return 0
    width = max(len(name) for name in (*rows, *facts))
    for name, (mean, interval) in rows.items():
        print(f"{name:<{width}}  {format_with_interval(mean, interval)}")
    print(f"{'queries':<{width}}  {facts['queries']}", file=sys.stderr)
    for name, value in facts.items():
        if name != "queries" and value:
            print(f"{name:<{width}}  {value}", file=sys.stderr)
    return 0

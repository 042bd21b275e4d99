"""A run of two methods in a folder, as a worker leaves it, made without a worker."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.data.catalog import dataset_id, load_log
from harness.data.splits import parse_split, split_log
from harness.metrics.evaluate import evaluate
from harness.metrics.metric import parse_metric
from harness.query_values import QueryLists
from harness.record import Record
from harness.run.operating_point import _write_arrays
from harness.topk import PAD_ID, PAD_SCORE, TopK, select_top_k

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-4.json"
METRICS = (
    "recall@5", "recall@10", "ndcg@5", "ndcg@10", "map@10", "mrr@10", "precision@5", "hit_rate@10",
)  # fmt: skip
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PARAMS = {"n_users": 60, "n_items": 80}


def record_of(folder, case, parts, answers, dataset, *, times=(), **changes):
    """Write the per-query file of a point, and return its record with real metrics."""
    metrics = [parse_metric(one) for one in METRICS]
    n_items = parts.full_train.n_items
    values = evaluate(metrics, answers.ids, parts.test.relevant, n_items)
    per_query = f"per_query/{case}.npz"
    arrays = {f"metrics/{name}": one for name, one in values.items()} | dict(times)
    arrays["exact_rows"] = np.zeros(0, np.int64)
    _write_arrays(folder / per_query, answers, parts.test, arrays)
    means = {name: float(one.mean()) for name, one in values.items()}
    interval = {name: [one - 0.01, one + 0.01] for name, one in means.items()}
    return Record.from_json(
        json.dumps(
            {
                **json.loads(GOLDEN.read_text()),
                "trial_id": case, "case": case, "method": case, "metrics": means,
                "metrics_ci": interval, "per_query": per_query, "dataset": dataset,
                "split": parts.protocol, "data_hash": parts.data_hash, "commit": COMMIT,
                "n_queries": len(answers), "counters": {"distances": 500}, **changes,
            }
        )
    )  # fmt: skip


def scores_of(parts, *, tied):
    """Return scores of all items for each test query: noise, or whole numbers that often tie."""
    random = np.random.default_rng(3)
    scores = random.normal(size=(len(parts.test), parts.full_train.n_items))
    scores[parts.test.relevant.rows, parts.test.relevant.ids] += 1.5
    return (np.round(scores) if tied else scores).astype(np.float32)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Return folder, parts, records and lists: `tied` has ties, `clear` none and short lists."""
    folder = tmp_path_factory.mktemp("run")
    dataset = dataset_id("planted_log", PARAMS)
    split = parse_split({"kind": "random_per_user", "test": 0.3, "validation": 0.2})
    parts = split_log(load_log("planted_log", PARAMS), split, dataset)
    hidden = parts.test.queries.hidden
    tied = select_top_k(scores_of(parts, tied=True), 10, hidden)
    clear = select_top_k(scores_of(parts, tied=False), 10, hidden)
    ids, scores = clear.ids.copy(), clear.scores.copy()
    ids[3, 4:], scores[3, 4:] = PAD_ID, PAD_SCORE
    clear = TopK(ids, scores)
    n = len(parts.test)
    times = {"latency_s/0": np.full(2 * n, 0.001), "latency_rows/0": np.tile(np.arange(n), 2)}
    records = [
        record_of(folder, "tied", parts, tied, dataset, times=times, qps=1000.0, index_bytes=2048),
        record_of(folder, "clear", parts, clear, dataset, times=times, search={"nprobe": 4}),
    ]
    failed = json.loads(records[0].to_json())
    failed |= {"case": "broken", "trial_id": "x", "status": "failed", "reason": "killed by 9"}
    lines = [*(one.to_json() for one in records), json.dumps({**failed, "metrics": {}})]
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")
    lists = {"tied": tied, "clear": clear}
    queries = {
        name: QueryLists(parts.test.queries.user_ids, one, times) for name, one in lists.items()
    }
    return SimpleNamespace(folder=folder, parts=parts, records=records, lists=queries)

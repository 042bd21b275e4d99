"""Records made by hand, and runs of them whose per-query values lie in memory."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness.compare.points import Run
from harness.query_values import QueryValues
from harness.record import Record

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "record-schema-3.json"
DEFAULTS = {
    "metrics": {}, "metrics_ci": {}, "build": {}, "search": {}, "load": {"kind": "single_stream"},
    "status": "ok", "reason": None, "seed": 1, "repeat": 0, "device": "cpu", "threads": 1,
    "fit_threads": 2, "profile": "ci", "data_hash": "d" * 64, "split": "s", "warnings": [],
    "isolation": {}, "qps": 100.0, "max_qps": None, "latency_p50_s": None, "latency_p95_s": None,
    "latency_p99_s": None, "fit_s": None, "refit_s": None, "build_s": None, "index_bytes": None,
}  # fmt: skip


@pytest.fixture
def record_of():
    """Return a function: case and changed fields -> Record; of a trial for each case and seed."""

    def make(case, **changes):
        values = {**json.loads(GOLDEN.read_text()), **DEFAULTS, "case": case, "method": case}
        values = {**values, **changes}
        setting = json.dumps([values["build"], values["search"]])
        trial = f"{case} {json.dumps(values['build'])} {values['seed']} {values['repeat']}"
        values.setdefault("per_query", None)
        file = f"{case} {setting} {values['seed']} {values['repeat']}"
        return Record.from_json(json.dumps({**values, "trial_id": trial, "per_query": file}))

    return make


@pytest.fixture
def run_of(record_of):
    """Return a function: rows -> Run; a row is case, metric -> values by query, changed fields."""

    def make(*rows, name="run", floor=None):
        records, values = [], {}
        for case, metrics, *rest in rows:
            known = {one: np.array(by_query, float) for one, by_query in metrics.items()}
            means = {one: float(np.nanmean(by_query)) for one, by_query in known.items()}
            changes = rest[0] if rest else {}
            record = record_of(case, **{"metrics": means, **changes})
            n = max((len(one) for one in known.values()), default=0)
            values[record.per_query] = QueryValues(np.arange(n), known)
            records.append(record)
        return Run(name, records, lambda record: values[record.per_query], floor)

    return make

"""A run of thirty operating points with all that a page can show, made by hand."""

import numpy as np
import pytest

from harness.query_values import QueryValues
from harness.report.material import charts_of, material_of
from harness.report.page.document import page_of

N_QUERIES = 300
METRIC = "ndcg@10"
LOADS = [{"kind": "single_stream"}, {"kind": "offline", "batch": 32}]
HISTORY = {
    "fit": [
        {"epoch": one, "loss": 1 / one, "codewords_in_use": 60.0 + one,
         "codeword_perplexity": 40.0 + one, "restarts": 3.0}
        for one in (1, 2, 3)
    ]
}  # fmt: skip


def times_of(record):
    """Return 1,000 latencies around the record's p50, by its name: the same in each run."""
    seed = sum(map(ord, record.per_query))
    return record.latency_p50_s * np.random.default_rng(seed).lognormal(0, 0.2, 1_000)


def rows(common):
    """Return case, setting, mean quality, QPS and more of each operating point."""
    made = [("popularity", {}, 0.20, 50_000.0, {}), ("item_knn", {}, 0.30, 3_000.0, {})]
    made += [
        ("two_tower", {"index": "ivf", "nprobe": 2**n}, 0.25 + 0.02 * n, 20_000 / 1.6**n, {})
        for n in range(10)
    ]
    made += [
        ("hnsw", {"ef_search": 2**n}, 0.24 + 0.021 * n, 24_000 / 1.7**n, {}) for n in range(10)
    ]
    codes = {"codes_in_use": 61.0, "code_perplexity": 44.0, "density": 0.2, "tokens": 2.0}
    made += [
        ("sparcode", {"scoring": scoring, "cut": cut}, value, qps, codes)
        for scoring, cut, value, qps in (
            ("unquantised", 0, 0.50, 700.0),
            ("quantised", 0, 0.48, 600.0),
            ("served", 0, 0.47, 4_000.0),
            ("served", 64, 0.40, 5_000.0),
            ("served", 32, 0.35, 6_000.0),
            ("served", 16, 0.31, 7_000.0),
        )
    ]
    made += [("ease", {}, 0.36, 2_000.0, {}), ("best_possible", {}, 0.60, 100.0, {})]
    return [(*one, common + one[2]) for one in made]


@pytest.fixture
def thirty(run_of):
    """Return a run of 30 operating points under two loads, and three trials that came to nothing.

    Quality is that of 300 queries that differ by a common part: mean 0 over the queries.
    """
    random = np.random.default_rng(5)
    common = random.normal(0, 0.1, N_QUERIES)
    made = []
    for case, search, value, qps, details, by_query in rows(common - common.mean()):
        for load in LOADS:
            single = load["kind"] == "single_stream"
            fields = {
                "search": search, "load": load, "details": details, "n_queries": N_QUERIES,
                "metrics_ci": {METRIC: [value - 0.012, value + 0.012]}, "build": {"dim": 64},
                "qps": qps * (1 if single else 4), "n_timed": 1_000, "build_s": 3.0, "fit_s": 20.0,
                "index_bytes": int(4e6 + 1e5 * value), "history": HISTORY if details else {},
                "latency_p50_s": 1 / qps if single else None,
                "latency_p99_s": 1.6 / qps if single else None,
                "stages_s": {"encode": 0.2 / qps, "scoring": 0.7 / qps} if single else {},
                "stages_gap": -0.1 if single else None,
                "memory": {"logical_bytes": 4e6, "disk_bytes": 5e6, "steady_bytes": 3e8,
                           "search_peak_bytes": 4e8, "build_peak_bytes": 6e8},
                "replay": f"matchbench run made --methods {case} --force",
            }  # fmt: skip
            made.append((case, {METRIC: by_query}, fields))
    ended = {"metrics": {}, "qps": None, "load": {}, "search": {}, "per_query": None}
    made += [
        ("broken", {}, {**ended, "status": "failed", "reason": "killed by <SIGKILL> & gone"}),
        ("large", {}, {**ended, "status": "out_of_memory", "reason": "memory_limit_mb = 100"}),
        ("gpu", {}, {**ended, "status": "skipped", "reason": "no CUDA device"}),
    ]
    run = run_of(*made, name="made")
    facts = {"history_items": np.arange(N_QUERIES) % 30 + 1.0}
    facts["relevant_events"] = np.arange(N_QUERIES, dtype=float)

    def read(record, inner=run.read):
        values = inner(record)
        return QueryValues(values.user_ids, values.metrics, facts)

    return type(run)(run.name, run.records, read, run.floor)


MADE = {}  # the same in every test, and not changed by any


@pytest.fixture
def material(thirty):
    """Return the material of the thirty points."""
    return MADE.setdefault("material", material_of(thirty, METRIC, times_of))


@pytest.fixture
def charts(material):
    """Return name -> chart of the thirty points."""
    if "charts" not in MADE:
        groups = charts_of(material).values()
        MADE["charts"] = {one.name: one for group in groups for one in group}
    return MADE["charts"]


@pytest.fixture
def page(material):
    """Return the page of the thirty points."""
    if "page" not in MADE:
        MADE["page"] = page_of(material)
    return MADE["page"]

"""One table holds what compares; anything else has a table of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.grouping import comparable
from harness.record import Record

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "movielens"},
        {"data_hash": "11"},
        {"split": "planted_log/leave_last_out()"},
        {"profile": "publish"},
        {"machine": {**BASE.machine, "cpu": "another"}},
        {"metrics": {"recall@20": 0.5}},
        {"environment": {**BASE.environment, "numpy": "2.4.7"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_compare_is_apart(change):
    """Records of two kinds, mixed: two groups, each in the order in which it came."""
    other = replace(BASE, **change)
    first, second = replace(BASE, case="first"), replace(other, case="second")
    assert comparable([BASE, other, first, second]) == [[BASE, first], [other, second]]


def test_cpu_and_gpu_share_a_table():
    """A GPU is named by its own records only, and by a failure not at all."""
    gpu = replace(BASE, device="cuda", machine={**BASE.machine, "gpu": "example", "cuda": "13"})
    assert comparable([BASE, gpu]) == [[BASE, gpu]]


def test_what_is_not_told_contradicts_nothing():
    """A failure has no metrics and a method without a score no agreement: one table."""
    failed = replace(BASE, status="failed", metrics={}, load={})
    both = replace(BASE, metrics={**BASE.metrics, "ann_recall@10": 1.0})
    assert comparable([failed, BASE, both]) == [[failed, BASE, both]]


def test_two_gpus_are_two_tables():
    """The CPU's rows, which name neither, stand with the GPU that was measured last."""
    first, second = (
        replace(BASE, device="cuda", machine={**BASE.machine, "gpu": name}) for name in "ab"
    )
    assert comparable([first, second, BASE]) == [[first], [second, BASE]]


def test_a_library_that_nothing_used_makes_no_table():
    """A library installed between two runs, hnswlib: one table; two versions of it are two."""
    first, second = (
        replace(BASE, environment={**BASE.environment, "hnswlib": version}) for version in "12"
    )
    assert comparable([BASE, first, BASE]) == [[BASE, first, BASE]]
    assert comparable([first, second]) == [[first], [second]]

"""Metric: parses, prints back, and refuses with help."""

import subprocess
import sys

import pytest

from harness.metrics.evaluate import FORMULAS
from harness.metrics.metric import DEFINITIONS, METRICS, Metric, parse_metric


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("k", [1, 50, 1000])
def test_prints_back(name, k):
    """What str gives, parse_metric reads as the same metric."""
    metric = Metric(name, k)
    assert str(metric) == f"{name}@{k}"
    assert parse_metric(str(metric)) == metric


@pytest.mark.parametrize("name", METRICS)
def test_is_described(name):
    """Every metric says what it is, in which direction and unit, and whose definition it is."""
    metric = Metric(name, 10)
    assert metric.text == METRICS[name]
    assert metric.source
    assert (metric.direction, metric.unit) == ("higher", "share")


def test_every_metric_is_computed_somewhere():
    """Each name has a formula, is a value of the run, or compares with the exact list."""
    elsewhere = {name for name, one in DEFINITIONS.items() if one.needs_exact or one.scope == "run"}
    assert elsewhere == {"coverage", "ann_recall"}
    assert set(FORMULAS) | elsewhere == set(METRICS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal@5", "unknown metric 'recal'; did you mean 'recall'"),
        ("zzz@5", "unknown metric 'zzz'; known: ann_recall, coverage"),
        ("recall", "expected recall@K"),
        ("recall@", "expected recall@K"),
        ("recall@0", "whole number K >= 1"),
        ("recall@-5", "whole number K >= 1"),
        ("recall@5.5", "whole number K >= 1"),
        ("recall@05", "whole number K >= 1"),
        ("recall@5@6", "whole number K >= 1"),
        ("recall@ten", "whole number K >= 1"),
        ("", "unknown metric ''"),
        (20, "must be text such as 'recall@50'"),
    ],
)
def test_refuses_with_help(text, message):
    """A wrong name or cut is an error that shows the right form or a near name."""
    with pytest.raises(ValueError, match=message):
        parse_metric(text)


def test_a_metric_built_by_hand_is_checked_too():
    """Metric refuses an unknown name and a cut below 1, not only parse_metric."""
    with pytest.raises(ValueError, match="did you mean 'ndcg'"):
        Metric("ndgc", 5)
    with pytest.raises(ValueError, match="k must be at least 1"):
        Metric("ndcg", 0)


def test_names_need_no_compiler():
    """Listing the metrics imports neither numba nor torch nor scipy."""
    code = (
        "import sys; from harness.metrics.metric import METRICS; "
        "print(sorted({'numba', 'torch', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

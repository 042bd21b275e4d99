"""Facts and baselines made by hand."""

import numpy as np
import pytest

from harness.baseline import Baseline, Change, Spread
from harness.facts import Facts, Taken

HERE = {"instructions": "avx2 fma", "numpy": "2.4.6"}
BASE = {
    "method": "m", "build": {}, "search": {}, "device": "cpu", "seed": 7, "data_hash": "d",
    "metrics_version": 1, "exact": True, "lists": "a" * 64, "index_bytes": 1000,
    "counters": {"postings": 50},
}  # fmt: skip


@pytest.fixture
def taken_of():
    """Return a function: case, recall by query, changed fields -> Taken."""

    def make(case, values=(0.5, 1.0), **changes):
        array = np.asarray(values, np.float64)
        facts = {**BASE, "case": case, "n_queries": array.size, "metrics": {"r": array.mean()}}
        return Taken(Facts(**{**facts, **changes}), np.arange(array.size), {"r": array})

    return make


@pytest.fixture
def baseline_of():
    """Return a function: points, spreads -> Baseline."""

    def make(*points, spreads=None):
        change = Change(at="2026-01-01", commit="c", reason="a reason", changed=())
        return Baseline(
            suite="s",
            arithmetic=HERE,
            history=(change,),
            points={one.facts.name: one for one in points},
            spreads=spreads or {},
        )

    return make


@pytest.fixture
def spread():
    """Return five seeds whose means lie 0.004 apart (SD); bytes do not depend on the seed."""
    return Spread(n_seeds=5, deviations={"r": 0.004}, steady=("index_bytes",))

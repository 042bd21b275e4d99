"""Shared by all tests: tiny logs, a folder of suites, and why a test was left out."""

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Skip what this machine cannot run, each with its reason."""
    data = os.environ.get("MATCHBENCH_DATA")
    reasons = {}
    if not data or not Path(data).is_dir():
        reasons["data"] = "MATCHBENCH_DATA is not set; with it this test reads a real data set"
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            reasons["gpu"] = "no CUDA device"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def data_root():
    """Return the folder of real data sets; only for tests marked `data`."""
    return Path(os.environ["MATCHBENCH_DATA"])

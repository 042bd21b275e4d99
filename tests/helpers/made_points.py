"""Points of a plane made by hand, for tests of frontiers and budgets."""

import numpy as np

from harness.compare.frontier import planes_of
from harness.compare.points import points_of


def spread(mean, n=400):
    """Return n values of the given mean, half of them 0.05 below and half above."""
    return np.full(n, mean) + np.tile([-0.05, 0.05], n // 2)


def point(case, quality, *, nprobe=0, **changes):
    interval = {"metrics_ci": {"m@1": [quality - 0.01, quality + 0.01]}}
    return case, {"m@1": spread(quality)}, {"search": {"nprobe": nprobe}, **interval, **changes}


def plane_of(run):
    [plane] = planes_of(points_of(run), "m@1")
    return plane

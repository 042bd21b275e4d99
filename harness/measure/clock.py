"""The clock: monotonic, in seconds; a device finishes its work before each reading."""

import time
from collections.abc import Callable

import torch

Clock = Callable[[], float]


def clock_for(device: str) -> Clock:
    """Return a clock for work on ``device``: work handed to a GPU is awaited first."""
    if device.startswith("cuda"):
        return _synchronised
    return time.perf_counter


def _synchronised() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()

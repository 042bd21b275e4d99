"""Warm-up: untimed calls before a pass, until their times settle."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.measure.sending import Inbox, Target, send

WINDOW = 20  # queries whose mean time is compared with that of the window before
CHANGE = 0.05  # settled when two successive windows differ by less
LIMIT_S = 5.0  # after which a pass begins all the same


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What warming up took, seconds, and whether the times settled before the limit."""

    seconds: float
    settled: bool


def warm_up(
    target: Target,
    calls: Sequence[Any],
    inbox: Inbox,
    least_s: float,
    most_s: float = LIMIT_S,
    *,
    size: int = 1,
) -> WarmUp:
    """Send the calls round and round until two successive windows take the same time a query.

    Parameters
    ----------
    calls : in the form of the timed ones.
    inbox : counts what the method raises meanwhile.
    least_s, most_s : seconds that are spent at least, settled or not, and at most.
    size : queries of each call.
    """
    per_window = math.ceil(WINDOW / size)
    stream = itertools.cycle(calls)
    begun = target.clock()
    window: list[float] = []
    previous = math.inf
    while True:
        call = next(stream)
        (start, end), answers = send(target.search, [call], target.k, target.clock.now_ns)
        if isinstance(answers[0], Exception):
            inbox.take([np.arange(size)], answers)
        window.append((end - start) * 1e-9)
        spent = target.clock() - begun
        if spent > max(most_s, least_s):
            return WarmUp(spent, settled=False)
        if len(window) == per_window:
            total = sum(window)
            if spent >= least_s and abs(total - previous) <= CHANGE * total:
                return WarmUp(spent, settled=True)
            previous, window = total, []

"""Timing: what one timed pass gave, raw; and the conditions it ran under."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.interactions import Queries
from harness.lists import IntArray
from harness.measure.profile import SMOKE, Profile
from harness.measure.sending import Check, as_it_is

Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Conditions:
    """How long is measured, in which order, and what is done with the answers.

    Attributes
    ----------
    profile : the least that a timed pass holds.
    seed : of the order of the queries and of the arrivals.
    spare : queries to warm up with; None: the timed ones.
    check : called outside the timed regions with rows of the queries, int64 (n,), and the answers
        that were returned for them while timed.
    prepare, finish : see `harness.measure.sending.Target`.
    """

    profile: Profile = SMOKE
    seed: int = 0
    spare: Queries | None = None
    check: Check | None = None
    prepare: Callable[[Queries], Any] = as_it_is
    finish: Callable[[Any], Any] = as_it_is


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one timed pass gave.

    Attributes
    ----------
    rows : int64 (n_timed,), the query of each send, a row of the queries given.
    total_s : seconds from the first call to the last answer, of each block of the pass, summed.
    latencies_s : float64 (n_timed,), seconds that each query waited: ``single_stream`` and
        ``server``, there from the scheduled arrival. None for ``batch`` and ``offline``.
    calls_s : float64 (n_calls,), seconds of each call of ``batch``, else None.
    arrivals_s : float64 (n_timed,), the schedule of ``server``, else None.
    warm_up_s : seconds of untimed calls before.
    n_errors, first_error : queries of the pass that got no answer, and why the first did not.
    n_untimed_errors : the same of the calls before the pass.
    offered_qps : arrival rate of ``server``.
    max_qps, rate_curve : of a server that was asked for its highest rate; see `max_rate`.
    overloaded : the pass was ended early because the server fell further and further behind.
    fell_behind : why a pass that went to its end was overloaded all the same, in words, or None.
    warnings : what a reader should know.
    """

    rows: IntArray
    total_s: float
    warm_up_s: float
    latencies_s: Seconds | None = None
    calls_s: Seconds | None = None
    arrivals_s: Seconds | None = None
    n_errors: int = 0
    first_error: str | None = None
    n_untimed_errors: int = 0
    offered_qps: float | None = None
    max_qps: float | None = None
    rate_curve: tuple[Mapping[str, float], ...] = field(default=())
    overloaded: bool = False
    fell_behind: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def n_timed(self) -> int:
        """Return the number of queries sent."""
        return int(self.rows.size)

    @property
    def qps(self) -> float | None:
        """Return queries per second of the pass; None where none was sent."""
        return self.n_timed / self.total_s if self.n_timed else None

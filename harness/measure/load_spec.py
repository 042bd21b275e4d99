"""LoadSpec: one way of sending queries, as a table of a suite says it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["single_stream", "batch", "offline", "server"]
Mix = Literal["uniform", "zipf", "head", "tail"]

LEAST_RATE, MOST_RATE = 1e-3, 1e7  # queries a second
DEFAULT_BATCH: Mapping[Kind, int] = MappingProxyType(
    {"single_stream": 1, "batch": 256, "offline": 256, "server": 1}
)


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One way of sending queries. All of it is drawn by the trial's seed.

    Attributes
    ----------
    kind : ``single_stream``: the next query when the answer to the one before has come.
        ``batch``: calls of ``batch`` queries, one after another. ``offline``: everything as fast
        as possible. ``server``: queries arrive at random moments (Poisson), whether or not the
        answers before them have come, and wait.
    queries : how many different test queries are sent; 0 stands for all.
    batch : queries in one call; of ``offline`` 0 stands for one call; of ``server`` the most
        waiting queries that one call answers. None stands for 1, 256, 256 and 1 of the four kinds.
    rate : arrivals of ``server``, queries a second.
    max_p99_s : of ``server`` without a rate: find the highest rate whose p99 stays under this.
    mix : ``uniform``: different queries, each as often as the others. ``zipf``: the r-th query
        comes with a probability proportional to r ** -zipf_exponent. ``head``, ``tail``: like
        uniform, of the share ``mix_share`` of queries with the longest, shortest history.
    resident : queries lie on the method's device before the clock starts, and answers are left
        there: what is measured is no longer host memory to host memory.
    """

    kind: Kind = "single_stream"
    queries: int = 1000
    batch: int | None = None
    rate: float | None = None
    max_p99_s: float | None = None
    mix: Mix = "uniform"
    zipf_exponent: float = 1.0
    mix_share: float = 0.1
    resident: bool = False

    def __post_init__(self) -> None:
        """Fill in the batch and refuse what makes no sense."""
        if self.batch is None:
            object.__setattr__(self, "batch", DEFAULT_BATCH[self.kind])
        if self.queries < 0:
            raise ValueError(f"queries = {self.queries} must be 0 (all) or more")
        least = 0 if self.kind == "offline" else 1
        if self.call_size < least:
            raise ValueError(f"batch = {self.batch} must be at least {least} in {self.kind}")
        if self.kind == "single_stream" and self.batch != 1:
            raise ValueError(f"batch = {self.batch} must be 1 in single_stream; see kind = 'batch'")
        if not 0 < self.zipf_exponent < math.inf:
            raise ValueError(f"zipf_exponent = {self.zipf_exponent} must be above 0 and finite")
        if not 0 < self.mix_share <= 1:
            raise ValueError(f"mix_share = {self.mix_share} must lie above 0 and be at most 1")
        if self.resident and self.kind == "server":
            raise ValueError("resident = true must not stand with kind = 'server'")
        self._check_rate()

    def _check_rate(self) -> None:
        for name in ("rate", "max_p99_s"):
            value = getattr(self, name)
            if value is not None and self.kind != "server":
                raise ValueError(f"{name} = {value} must stand with kind = 'server'")
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} = {value} must be above 0 and finite")
        if self.rate is not None and not LEAST_RATE <= self.rate <= MOST_RATE:
            raise ValueError(f"rate = {self.rate} must lie in {LEAST_RATE:g} to {MOST_RATE:g}")
        if self.kind == "server" and (self.rate is None) == (self.max_p99_s is None):
            given = f"rate = {self.rate} and max_p99_s = {self.max_p99_s}"
            raise ValueError(f"{given}: a server must have one of the two")

    @property
    def call_size(self) -> int:
        """Return ``batch`` as the number it is once the defaults are filled in."""
        assert self.batch is not None, "filled in when the value was made"
        return self.batch

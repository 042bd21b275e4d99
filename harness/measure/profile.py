"""Profiles: how long and how often is measured, from a quick look to what may be published."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """The least that a timed pass must hold.

    Attributes
    ----------
    min_s : seconds that the timed pass lasts at least; queries are sent again in another order
        until it has.
    min_queries : queries that it sends at least.
    top_percentile : the highest percentile that is recorded, however many queries were sent.
    repeats : fresh processes that measure the same.
    warm_up_s, warm_up_most_s : seconds of untimed queries before a pass, at least, and at most
        where their times do not settle.
    """

    min_s: float
    min_queries: int
    top_percentile: float
    repeats: int
    warm_up_s: float
    warm_up_most_s: float = 5.0


SMOKE = Profile(min_s=0.0, min_queries=200, top_percentile=95, repeats=1, warm_up_s=0.2)
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "smoke": SMOKE,
        "ci": Profile(min_s=10.0, min_queries=1_000, top_percentile=99, repeats=1, warm_up_s=1.0),
        "publish": Profile(
            min_s=60.0, min_queries=10_000, top_percentile=99.9, repeats=3, warm_up_s=1.0
        ),
    }
)

"""RecentPopularity: weights by age, by hand; what a log must have."""

import dataclasses

import numpy as np
import pytest

from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from methods.classical.recent_popularity import RecentPopularity, RecentPopularityParams

DAY = 86_400
# item 0 twice, 4 and 3 days before the end; item 1 once, 1 day before; item 2 at the end
LOG = Interactions(
    Lists.of([[0, 1], [0, 2]]),
    4,
    timestamps=10**9 + DAY * np.array([0, 3, 1, 4]),
    ordered=True,
)


def scores(log, **params):
    method = RecentPopularity(RecentPopularityParams(**params))
    method.fit(log)
    method.build()
    nobody = Queries(np.array([-1]), Lists.empty(1), Lists.empty(1))
    return method.score(nobody, np.arange(4))[0].tolist()


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"span": 1.0}, [1 / 16 + 1 / 8, 1 / 2, 1, 0]),
        ({"span": 2.0}, [1 / 4 + 2**-1.5, 2**-0.5, 1, 0]),
        ({"decay": "window", "span": 3.0}, [0, 1, 1, 0]),
        ({"decay": "window", "span": 4.0}, [1, 1, 1, 0]),  # an age of the span is outside
        ({"unit": "events", "span": 1.0}, [1 / 2 + 1 / 2, 1, 1, 0]),
        ({"unit": "events", "decay": "window", "span": 1.0}, [0, 1, 1, 0]),
    ],
)
def test_by_hand(params, expected):
    """Ages are 4, 1, 3 and 0 days, or 1, 0, 1 and 0 events from each user's end."""
    assert scores(LOG, **params) == pytest.approx(expected)


def test_a_long_half_life_is_popularity():
    """Where nothing fades the counts remain."""
    assert scores(LOG, span=1e9) == pytest.approx([2, 1, 1, 0])


@pytest.mark.parametrize(
    ("lacks", "unit", "message"),
    [
        ({"timestamps": None}, "days", "needs timestamps.*try unit = 'events'"),
        ({"timestamps": None, "ordered": False}, "days", "needs timestamps.*try popularity"),
        ({"ordered": False}, "events", "needs each user's events in time order"),
    ],
)
def test_a_log_without_what_is_needed_is_refused(lacks, unit, message):
    """The message names what is missing and what to try."""
    with pytest.raises(MethodError, match=message):
        scores(dataclasses.replace(LOG, **lacks), unit=unit)


def test_a_span_of_nothing_is_refused():
    """Ages are divided by it."""
    with pytest.raises(ValueError, match=r"span = 0.0; expected more than 0"):
        parse_params(RecentPopularityParams, {"span": 0.0})

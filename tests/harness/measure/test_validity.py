"""A number is VALID when nothing speaks against it, and each thing that does is said."""

import dataclasses

import numpy as np
import pytest

from harness.measure.profile import PROFILES
from harness.measure.timing import Timing
from harness.measure.validity import Facts, reasons_against, warnings_of


def timing(n=1000, each_s=0.02, **options):
    return Timing(
        rows=np.arange(n),
        total_s=n * each_s,
        warm_up_s=1.0,
        latencies_s=np.full(n, each_s),
        **options,
    )


GOOD = Facts(timing=timing(), profile=PROFILES["ci"], n_checked=1000, repeated_ratio=1.0)


def against(**options):
    return reasons_against(dataclasses.replace(GOOD, **options))


def warned(**options):
    return warnings_of(dataclasses.replace(GOOD, **options))


def test_nothing_speaks_against_a_good_pass():
    """1,000 queries in 20 s, all compared, none remembered: valid, without a word."""
    assert against() == []
    assert warned() == []


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({"list_faults": ["3 duplicate ids in lists"]}, ["3 duplicate ids in lists"]),
        (
            {"timing": timing(fell_behind="overloaded: answered 170 of 200 queries/s")},
            ["overloaded: answered 170 of 200 queries/s"],
        ),
        ({"n_differ": 2}, ["2 of 1000 timed answers differ from the scored"]),
        ({"timed_faults": ["1 NaN scores"]}, ["while timed: 1 NaN scores"]),
        ({"n_checked": 0}, ["no timed answer was compared with the scored"]),
        (
            {"timing": timing(n_errors=7, first_error="ValueError: x")},
            ["7 of 1000 timed queries raised an error, the first: ValueError: x"],
        ),
        (
            {"n_early_errors": 2, "early_error": "OSError: y"},
            ["2 queries outside the timed pass raised an error: OSError: y"],
        ),
        (
            {"timing": timing(n_untimed_errors=1, first_error="OSError: z")},
            ["1 queries outside the timed pass raised an error: OSError: z"],
        ),
        ({"timing": timing(999)}, ["999 queries were timed where 1000 are needed"]),
        ({"timing": timing(each_s=0.0099)}, ["9.9 s were timed where 10 s are needed"]),
        (
            {"repeated_ratio": 1.2},
            ["a repeated query is 1.20 times as fast as a new one, at most 1.1 is allowed"],
        ),
        (
            {"changes": ["affinity"]},
            ["changed during the pass: affinity"],
        ),
        (
            {"timing": timing(overloaded=True, offered_qps=900.0)},
            [
                (
                    "overloaded: ended after 1000 queries, since at 900 queries/s they waited"
                    " longer and longer"
                )
            ],
        ),
    ],
)
def test_each_fault_makes_it_invalid_and_is_named(options, reasons):
    """One fault, one reason, with its numbers."""
    assert against(**options) == reasons


def test_all_faults_are_told_together():
    """Nobody has to repair one to learn of the next."""
    assert len(against(n_differ=1, repeated_ratio=2.0, timing=timing(10, each_s=0.02))) == 4


def test_ten_percent_faster_is_allowed():
    """1.10 passes, as does a ratio that is not known, which is a warning."""
    assert against(repeated_ratio=1.10) == []
    assert against(repeated_ratio=None) == []
    assert warned(repeated_ratio=None) == [
        "too few test queries to tell whether repeated ones are remembered"
    ]


def test_a_server_without_a_sustained_rate_has_no_pass_to_fault():
    """Max QPS of 0 is an answer: no queries were timed, and that is no fault."""
    nothing = Timing(
        rows=np.zeros(0, np.int64), total_s=0.0, warm_up_s=1.0, max_qps=0.0, warnings=("none did",)
    )
    assert against(timing=nothing) == []
    assert warned(timing=nothing) == ["none did"]


def test_few_different_queries_are_a_warning():
    """A thousand sends of 50 queries: the percentiles are of 50."""
    few = dataclasses.replace(timing(), rows=np.arange(1000) % 50)
    (warning,) = warned(timing=few)
    assert warning.startswith("50 different queries were sent")


def test_a_coarse_clock_is_a_warning():
    """A call of 20 ms on a clock with steps of 1 ms is 20 steps, fewer than 100."""
    (warning,) = warned(step_s=0.001)
    assert warning == "a typical call lasts 0.02 s, fewer than 100 steps of the clock (0.001 s)"
    assert warned(step_s=0.0002) == []


def test_a_short_sample_is_a_warning():
    """Single queries need 10 ms in all, calls of many 100 ms."""
    short = timing(10, each_s=0.0005)
    assert warned(timing=short) == ["the rate comes from 0.005 s, less than 0.01 s"]
    calls = dataclasses.replace(timing(4, each_s=0.02), latencies_s=None, calls_s=np.full(4, 0.02))
    assert warned(timing=calls) == ["the rate comes from 0.08 s, less than 0.1 s"]

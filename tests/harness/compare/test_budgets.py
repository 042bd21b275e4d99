"""Budgets: what a case offers within one, and who leads, on cases small enough to draw."""

import itertools
import math

import numpy as np
import pytest
from made_points import plane_of, point, spread

from harness.compare.budgets import (
    Budget,
    Decision,
    decide,
    default_budgets,
    offers_of,
    summary,
)
from harness.compare.quality import Reader


def ivf(*, sizes=(10, 1_000)):
    return [
        point("ivf", 0.4, nprobe=1, qps=1600.0, index_bytes=sizes[0], latency_p99_s=0.001),
        point("ivf", 0.8, nprobe=2, qps=100.0, index_bytes=sizes[1], latency_p99_s=0.1),
    ]


@pytest.mark.parametrize(
    ("budget", "how", "value"),
    [
        (Budget("quality", 0.4), "exact", 1600.0),
        (Budget("quality", 0.7), "between", 200.0),  # 3/4 of the way from 1600 to 100 by logarithm
        (Budget("quality", 0.81), "none", None),
        (Budget("quality", 0.3), "at_least", 1600.0),
        (Budget("bytes", 100.0), "between", 0.6),  # half the way from 10 to 1000 by logarithm
        (Budget("bytes", 1000.0), "exact", 0.8),
        (Budget("bytes", 2000.0), "at_least", 0.8),
        (Budget("bytes", 9.0), "none", None),
        (Budget("p99", 0.01), "between", 0.6),
    ],
)
def test_budgets_are_interpolated_between_brackets_and_nowhere_else(run_of, budget, how, value):
    """(0.4, 1600 QPS, 10 B, 1 ms) and (0.8, 100 QPS, 1 kB, 100 ms): by hand."""
    [offer] = offers_of(plane_of(run_of(*ivf())), budget)
    assert offer.how == how
    assert offer.value == (None if value is None else pytest.approx(value))


def test_a_dominated_point_is_no_bracket(run_of):
    """A point with less quality for more bytes lies off the curve: the value stays 0.6."""
    run = run_of(*ivf(), point("ivf", 0.1, nprobe=3, qps=1.0, index_bytes=100))
    [offer] = offers_of(plane_of(run), Budget("bytes", 100.0))
    assert offer.value == pytest.approx(0.6)


WORDS = {"search": {"rescore": "full", "cut": 64}}, {"search": {"rescore": "none", "cut": 64}}
MODELS = {"build": {"n_heads": 8}}, {"build": {"n_heads": 1}}
KNOBS = {"search": {"a": 1, "b": 8}}, {"search": {"a": 2, "b": 16}}
UNSET = {"search": {"a": None}}, {"search": {"a": 2}}


@pytest.mark.parametrize("changes", [WORDS, MODELS, KNOBS, UNSET])
def test_nothing_lies_between_two_models_two_words_or_two_knobs(run_of, changes):
    """100 QPS at .8 and 1,600 at .4: at .7 the case gives the 100 that were measured, not 200.

    At 100 B of 10 B with .4 and 1 kB with .8 it gives .4.
    """
    good, fast = changes
    run = run_of(
        ("a", {"m@1": spread(0.8)}, {"qps": 100.0, "index_bytes": 1_000, **good}),
        ("a", {"m@1": spread(0.4)}, {"qps": 1600.0, "index_bytes": 10, **fast}),
    )
    for budget, value in ((Budget("quality", 0.7), 100.0), (Budget("bytes", 100.0), 0.4)):
        [offer] = offers_of(plane_of(run), budget)
        assert (offer.how, offer.value) == ("measured", pytest.approx(value))


def test_of_two_lines_the_better_one_stands(run_of):
    """Rescored: 100 QPS at .8, 400 at .6; not: 1,600 at .6, 6,400 at .4. At .7 200, at .5 3,200.

    At .6 the measured 1,600 stands, which is more than the rescored 400.
    """
    made = [("full", 64, 0.8, 100), ("full", 16, 0.6, 400), ("no", 64, 0.6, 1600)]
    run = run_of(*(
        ("a", {"m@1": spread(q)}, {"search": {"rescore": r, "cut": c}, "qps": float(rate)})
        for r, c, q, rate in [*made, ("no", 16, 0.4, 6400)]
    ))  # fmt: skip
    expected = [(0.7, "between", 200.0), (0.6, "exact", 1600.0), (0.5, "between", 3200.0)]
    for bound, how, value in expected:
        [offer] = offers_of(plane_of(run), Budget("quality", bound))
        assert (offer.how, offer.value) == (how, pytest.approx(value))


def test_a_single_point_stands_within_its_budget(run_of):
    """A case without settings is alone there, and beyond its place it is not reached."""
    plane = plane_of(run_of(point("a", 0.5, index_bytes=10)))
    assert offers_of(plane, Budget("bytes", 99.0))[0].how == "alone"
    assert offers_of(plane, Budget("bytes", 9.0))[0].how == "none"


def decided(run, budget):
    return decide(plane_of(run), budget, Reader(), "m@1")


def test_who_leads_in_quality_is_decided_by_query(run_of):
    """0.6 by interpolation leads 0.5 on every query; a noisy 0.6 is within noise of it."""
    random = np.random.default_rng(3)
    clear = decided(run_of(*ivf(), point("b", 0.5, index_bytes=10)), Budget("bytes", 100.0))
    assert (clear.leader, clear.why) == ("ivf", "")
    noisy = ("b", {"m@1": random.random(400) * 1.2}, {"index_bytes": 10})
    unsure = decided(run_of(*ivf(), noisy), Budget("bytes", 100.0))
    assert unsure.leader is None
    assert "within noise" in unsure.why


def sampled(mean, scored, n=400):
    """Return n values of the given mean in ``scored``, NaN elsewhere."""
    values = np.full(n, np.nan)
    values[scored] = mean + np.tile([-0.05, 0.05], n)[: len(values[scored])]
    return values


def test_queries_that_were_not_scored_say_nothing_of_who_leads(run_of):
    """Of 400 queries each side scored half, 100 both: two equal means stay undecided by these.

    Means of 0.9 and 0.5 are clear on the 100, and where no query was scored twice nothing is.
    """
    half, other, rest = slice(0, 200), slice(100, 300), slice(200, 400)

    def of(a, b, where):
        made = [("a", sampled(a, half), 10), ("b", sampled(b, where), 20)]
        return run_of(*((case, {"m@1": v}, {"index_bytes": size}) for case, v, size in made))

    noise = np.random.default_rng(5).random(400)
    first, second = (np.where(np.isnan(sampled(0, one)), np.nan, noise) for one in (half, other))
    equal = run_of(
        ("a", {"m@1": first}, {"index_bytes": 10}),
        ("b", {"m@1": second[::-1]}, {"index_bytes": 20}),
    )
    assert "within noise" in decided(equal, Budget("bytes", 99.0)).why
    assert decided(of(0.9, 0.5, other), Budget("bytes", 99.0)).leader == "a"
    why = decided(of(0.9, 0.5, rest), Budget("bytes", 99.0)).why
    assert "no query scored on both sides" in why


def test_a_case_wholly_within_the_budget_stands_with_its_best_point(run_of):
    """At 2 kB b gives 0.9 and ivf at least 0.8: b leads; of ivf and c, both wholly within, ivf."""
    run = run_of(*ivf(), point("b", 0.9, index_bytes=10))
    one = decided(run, Budget("bytes", 2000.0))
    assert (one.leader, one.why) == ("b", "")
    assert {x.case: x.how for x in one.offers} == {"ivf": "at_least", "b": "alone"}
    others = [point("c", 0.4 + n / 10, nprobe=n, index_bytes=10 + n) for n in (0, 1)]
    one = decided(run_of(*ivf(), *others), Budget("bytes", 2000.0))
    assert (one.leader, one.why) == ("ivf", "")
    assert {x.how for x in one.offers} == {"at_least"}


def test_only_a_case_that_could_hide_more_than_the_leader_leaves_it_undecided(run_of):
    """Within are 0.9 of b and whose model has 0.95 when searched exactly: more could come.

    Where its model has 0.85, no search of it could pass b. A rival within noise is named as such.
    """
    for exact, leader in ((0.95, None), (0.85, "b")):
        made = [(case, values, {**fields, "method": "m"}) for case, values, fields in ivf()]
        for _, values, fields in made:
            fields["metrics"] = {"m@1": values["m@1"].mean(), "ann_recall@1": 0.9}
        whole = ("exact", {"m@1": spread(exact)}, {"method": "m", "index_bytes": 99_999})
        whole[2]["metrics"] = {"m@1": exact, "ann_recall@1": 1.0}
        one = decided(run_of(*made, whole, point("b", 0.9, index_bytes=10)), Budget("bytes", 2e3))
        assert one.leader == leader
        known = "ivf >= 0.8000, not bracketed: its model searched exactly has 0.9500"
        assert one.why == ("" if leader else known)
    close = ("b", {"m@1": np.random.default_rng(3).random(400) * 1.6}, {"index_bytes": 10})
    assert "within noise" in decided(run_of(*ivf(), close), Budget("bytes", 2000.0)).why


def test_speed_leads_only_where_its_noise_is_known(run_of):
    """One measurement tells no noise; three repeats within 1 % at ten times the rate do."""
    single = run_of(point("a", 0.5, qps=100.0), point("b", 0.5, qps=1000.0))
    assert decided(single, Budget("quality", 0.5)).why == "the noise of b or a is not known"
    repeats = [
        point(case, 0.5, qps=rate * (1 + n / 100), repeat=n)
        for case, rate in (("a", 100.0), ("b", 1000.0))
        for n in range(3)
    ]
    assert decided(run_of(*repeats), Budget("quality", 0.5)).leader == "b"


def repeated(case, quality, rate, nprobe, **changes):
    """Return three repeats within 1 %, so that the noise is known."""
    return [
        point(case, quality, nprobe=nprobe, qps=rate * (1 + n / 100), repeat=n, **changes)
        for n in range(3)
    ]


@pytest.mark.parametrize(
    ("places", "changes", "leader"),
    [
        (((0.98, 1020), (0.99, 900)), {}, None),
        (((0.98, 1020),), {}, None),
        (((0.803, 1020), (0.99, 900)), {}, "a"),  # within half a point
        (((0.7, 1100), (0.99, 900)), {}, "a"),  # bracketed
        (((0.7, 900), (0.99, 1020)), {}, "a"),  # so too, where less quality is not faster
        (((0.98, 1020),), {"search": {"scoring": "served"}}, "a"),  # nothing to turn
    ],
)
def test_speed_leads_over_no_lower_bound(run_of, places, changes, leader):
    """Case a has 1,393 QPS at .80; b was measured only far above, where it may not be as fast."""
    rival = [repeated("b", q, rate, n, **changes) for n, (q, rate) in enumerate(places)]
    leads = [*repeated("a", 0.8, 1393, 1), *repeated("a", 0.99, 500, 2)]
    one = decided(run_of(*leads, *itertools.chain(*rival)), Budget("quality", 0.8))
    assert one.leader == leader
    why = "b >= 1,030 QPS, not bracketed: measured from 0.9800 on"
    assert one.why == ("" if leader else why)


def test_a_summary_counts(run_of):
    """A leads on 4 of 5 budgets, 1 undecided."""
    leaders = ["A", "A", None, "A", "A"]
    decisions = [Decision(Budget("p99", 1.0), (), one, "") for one in leaders]
    assert summary(decisions) == "A leads on 4 of 5 budgets, 1 undecided"


def test_default_budgets_lie_within_what_there_is(run_of):
    """Five bytes between 10 and 1000: evenly by logarithm; one value alone is the only budget."""
    bounds = [one.bound for one in default_budgets(plane_of(run_of(*ivf())), "bytes")]
    steps = [math.log(b / a) for a, b in itertools.pairwise([10.0, *bounds, 1000.0])]
    assert steps == pytest.approx([math.log(100) / 6] * 6)
    one = plane_of(run_of(point("a", 0.5, index_bytes=10)))
    assert [x.bound for x in default_budgets(one, "bytes")] == pytest.approx([10.0])
    assert default_budgets(one, "p99") == []

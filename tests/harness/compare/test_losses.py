"""Model loss: of the score that a point stands for, over its seeds, from whoever searched it."""

import pytest

from harness.compare import losses
from harness.compare.frontier import planes_of
from harness.compare.points import points_of

BOUND = ("best_possible", {}, {"metrics": {"m@1": 0.7}})


def row(case, quality, agreement, *, search=None, build=None, **changes):
    """Return a row of `run_of` with a metric and its agreement with exhaustive search."""
    metrics = {"m@1": quality, "ann_recall@1": agreement}
    fields = {"search": search or {}, "build": build or {}, "metrics": metrics, **changes}
    return case, {}, fields


def told(run_of, *rows):
    """Return (case, scoring, rescore) -> spot."""
    [plane] = planes_of(points_of(run_of(*rows, BOUND)), "m@1")
    names = ("scoring", "rescore")
    return {
        (one.point.first.case, *(one.point.first.search.get(x) for x in names)): one
        for one in plane.spots
    }


def test_two_seeds_and_two_scorings_by_hand(run_of):
    """Unquantised .50 and .54 lack .18 to .70, quantised .40 and .46 lack .27; served is of codes.

    Seeds share nothing: neither the first alone nor the last that was met stands for both.
    """
    rows = [
        row("s", quality, agreement, search={"scoring": scoring}, seed=seed)
        for seed, found in ((1, (0.50, 0.40, 0.38)), (2, (0.54, 0.46, 0.44)))
        for scoring, quality, agreement in zip(
            ("unquantised", "quantised", "served"), found, (1.0, 1.0, 0.9), strict=True
        )
    ]
    spots = told(run_of, *rows)
    assert spots["s", "unquantised", None].model_loss == pytest.approx(0.18)
    assert spots["s", "quantised", None].model_loss == pytest.approx(0.27)
    assert spots["s", "served", None].model_loss == pytest.approx(0.27)


def test_a_case_without_scorings_averages_its_seeds(run_of):
    """.6 and .5 lack .15 to .7, by the mean of both seeds."""
    spots = told(run_of, row("a", 0.6, 1.0), row("a", 0.5, 1.0, seed=2))
    assert spots["a", None, None].model_loss == pytest.approx(0.15)


def test_lists_that_are_scored_again_count_from_that_score(run_of):
    """``full`` is the unquantised score, .2 away; nobody searched the others exactly."""
    lists = {"scoring": "served", "cut": 8}
    spots = told(
        run_of,
        row("s", 0.5, 1.0, search={"scoring": "unquantised"}, method="sparcode"),
        row("s", 0.4, 1.0, search={"scoring": "quantised"}, method="sparcode"),
        *(
            row("lists", 0.2, 0.5, search={**lists, "rescore": one}, method="sparcode")
            for one in ("none", "full", "dot")
        ),
        row("lists", 0.2, 0.5, search={**lists, "rescore": "towers"}, method="sparcode"),
        row(
            "sum",
            0.2,
            0.5,
            search={**lists, "rescore": "full", "lists_weight": 0.5},
            method="sparcode",
        ),
    )
    assert spots["lists", "served", "none"].model_loss == pytest.approx(0.3)
    assert spots["lists", "served", "full"].model_loss == pytest.approx(0.2)
    for case, again in (("lists", "dot"), ("lists", "towers"), ("sum", "full")):
        scored_again = spots[case, "served", again]
        assert scored_again.model_loss is None
        why = "no model loss: nobody searched this fit by this score exactly"
        assert scored_again.loss_note == why


@pytest.fixture
def index_params(monkeypatch):
    """Let the method ``tower`` read ``index`` and ``m`` for its index alone."""
    known = {"tower": frozenset({"index", "m"})}
    monkeypatch.setattr(losses, "index_params", lambda name, build: known.get(name, frozenset()))


def test_a_fit_that_another_case_searched_exactly_is_the_same_model(run_of, index_params):
    """Builds that differ in ``index`` and ``m`` are one fit; another width or seed is another."""
    exact = {"dim": 8, "index": "exact", "m": 16}
    spots = told(
        run_of,
        row("flat", 0.6, 1.0, build=exact, method="tower"),
        row("hnsw", 0.3, 0.4, build={**exact, "index": "hnsw", "m": 4}, method="tower"),
        row("wide", 0.3, 0.4, build={**exact, "dim": 16, "index": "hnsw"}, method="tower"),
        row("other", 0.3, 0.4, build={**exact, "index": "hnsw"}, method="unknown"),
        row("seed", 0.3, 0.4, build={**exact, "index": "hnsw"}, method="tower", seed=2),
    )
    losses_by_case = {case: one.model_loss for (case, *_), one in spots.items()}
    assert losses_by_case["hnsw"] == losses_by_case["flat"] == pytest.approx(0.1)
    assert [losses_by_case[one] for one in ("wide", "other", "seed")] == [None] * 3
    assert "nobody searched this fit" in spots["wide", None, None].loss_note


def test_an_attempt_that_fitted_for_another_says_it_itself(run_of):
    """``fitted_by`` names the attempt of the exact case; the method need not be known here."""
    spots = told(
        run_of,
        row("flat", 0.6, 1.0, build={"x": 1}, method="t", attempt="first"),
        row("served", 0.3, 0.4, build={"x": 2}, method="t", attempt="n2", fitted_by="first"),
        row("alone", 0.3, 0.4, build={"x": 3}, method="t", attempt="n3", fitted_by="gone"),
    )
    assert spots["served", None, None].model_loss == pytest.approx(0.1)
    assert spots["alone", None, None].model_loss is None


def test_seeds_that_nobody_searched_exactly_are_named(run_of):
    """Of two seeds one has an exact search: the loss is its own, and the note names the other."""
    spots = told(
        run_of,
        row("s", 0.4, 1.0, search={"scoring": "quantised"}),
        row("s", 0.3, 0.8, search={"scoring": "served"}),
        row("s", 0.3, 0.8, search={"scoring": "served"}, seed=2),
    )
    served = spots["s", "served", None]
    assert served.model_loss == pytest.approx(0.3)
    assert served.loss_note == "model loss without seeds 2, which nobody searched exactly"


def test_the_reference_of_a_run_without_a_bound_has_the_seeds_of_the_others(run_of):
    """Case b has .9 in seed 2 alone and is no reference: a, .5 and .7, is, and lacks nothing.

    c, .4 and .6, lacks .1; b, of seed 2, counts from a's seed 2.
    """
    rows = [
        *(row("a", quality, 1.0, seed=seed) for seed, quality in ((1, 0.5), (2, 0.7))),
        *(row("c", quality, 1.0, seed=seed) for seed, quality in ((1, 0.4), (2, 0.6))),
        row("b", 0.1, 1.0, seed=1, status="invalid", reason="x"), row("b", 0.9, 1.0, seed=2),
    ]  # fmt: skip
    [plane] = planes_of(points_of(run_of(*rows)), "m@1")
    found = {one.point.first.case: one.model_loss for one in plane.spots}
    assert found == {case: pytest.approx(x) for case, x in (("a", 0.0), ("c", 0.1), ("b", -0.2))}


def test_records_without_agreement_say_so(run_of):
    """No agreement at this length was recorded: the note names what is missing."""
    [plane] = planes_of(points_of(run_of(("a", {"m@1": [0.5]}))), "m@1")
    assert plane.spots[0].loss_note == "no model loss: the records hold no ann_recall@1"


def test_index_parameters_are_those_of_the_method():
    """Of the two towers the kind of index is one, the width of the vectors is not."""
    known = losses.index_params("two_tower")
    assert "index" in known
    assert "dim" not in known
    assert losses.index_params("not there") == frozenset()
    assert losses.index_params("two_tower", '{"index": "of another day"}') == known


def test_what_lists_keep_is_read_by_training_where_it_ends_with_them():
    """SparCode: ``top_per_code`` is of the index, with ``finish`` of the fit."""
    of_index = losses.index_params("sparcode", '{"top_per_code": 4}')
    assert "top_per_code" in of_index
    finish = '{"finish": 3, "epochs": 12, "top_per_code": 4}'
    assert "top_per_code" not in losses.index_params("sparcode", finish)
